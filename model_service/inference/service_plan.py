"""What is decided about a package before anything of it is executed; loads neither gRPC nor the author's code."""

from __future__ import annotations

from dataclasses import dataclass

from model_service.author.inspection import ServiceTraits
from model_service.backend.state import StateFolder
from model_service.inference.contract import Mode
from model_service.package.config import PackageConfig
from model_service.package.layout import PackageLayout


@dataclass(frozen=True)
class ServicePlan:
    """Everything :func:`model_service.inference.assembly.assemble` needs to know.

    Attributes:
        traits: what reading customize_service.py told.
        backend_kind: which model server; see :mod:`model_service.backend.plan`.
        may_start_server: False: the service runs without a model server.
        threads: how many requests are worked on at once.
        wait_seconds: how long a request may wait for an instance.
        state_folder: where the state of the model server is published.
    """

    layout: PackageLayout
    config: PackageConfig
    traits: ServiceTraits
    request_mode: Mode
    response_mode: Mode
    model_name: str
    backend_kind: str
    may_start_server: bool
    threads: int
    wait_seconds: float
    max_image_pixels: int
    state_folder: StateFolder
