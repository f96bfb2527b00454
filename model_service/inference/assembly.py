"""From a package on disk to a pipeline that answers: the author's code is housed, loaded and connected.

Online and offline commands call :func:`assemble` once, in a process that is then the package's for good.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from model_service.author import fallbacks
from model_service.author.base import ModelService, SingleNodeService
from model_service.author.inspection import ServiceTraits
from model_service.author.loader import choose_service_class, classes_in, load_service
from model_service.author.run_folder import make_run_folder
from model_service.author.runtime import AuthorRuntime, bind
from model_service.author.tfserving import TfServingBaseService
from model_service.author.vision import TfServingVisionService
from model_service.backend.link import BackendLink
from model_service.backend.plan import REMOTE
from model_service.errors import BackendUnavailable, PackageError
from model_service.inference.pipeline import Contract, Pipeline, Service, make_contracts
from model_service.inference.pool import InstancePool
from model_service.inference.service_plan import ServicePlan
from model_service.package.dependencies import read_dependencies
from model_service.tfs.client import ModelServerClient
from model_service.tfs.signature import Signature, read_saved_model_signature

_log = logging.getLogger(__name__)

_METADATA_SECONDS = 5.0


@dataclass(frozen=True)
class AssembledService:
    """A package that answers.

    Attributes:
        instances: how many requests it works on at once, each with an instance of its own; 1: only one at a time.
        service_class: the author's class, or the default one.
    """

    pipeline: Pipeline
    contracts: dict[str, Contract]
    runtime: AuthorRuntime
    instances: int
    service_class: type[ModelService]


def assemble(plan: ServicePlan, run_folder: Path) -> AssembledService:
    """House the package in ``run_folder``, load it, connect it. The working directory and sys.path change for good.

    Raises:
        PackageError: it cannot be loaded, or its model has no signature to call.
    """
    version_folder = _enter(run_folder, plan)
    runtime = _connect(plan, version_folder)
    bind(runtime)
    service_class = _service_class(plan, version_folder)
    is_stock = getattr(service_class, "_inference", None) is TfServingBaseService._inference
    if is_stock and plan.backend_kind != REMOTE:
        _ = runtime.signature  # a model that cannot be called must be said now, not at the first request
    size = 1 if _needs_one_instance(plan.traits, service_class) else plan.threads
    pool = InstancePool[Service](lambda: _instance(service_class, plan, version_folder), size)
    contracts = make_contracts(plan.config, plan.request_mode, plan.response_mode)
    return AssembledService(Pipeline(pool, contracts, plan.wait_seconds), contracts, runtime, size, service_class)


def _enter(run_folder: Path, plan: ServicePlan) -> Path:
    version_folder = make_run_folder(run_folder, plan.layout.model_directory)
    os.chdir(run_folder)
    sys.dont_write_bytecode = True  # the package's folder is not ours to write to
    sys.path.insert(0, str(version_folder))  # first, and for good: helpers may be imported at any time
    fallbacks.install()
    Image.MAX_IMAGE_PIXELS = max(plan.max_image_pixels // 2, 1)  # Pillow refuses above twice this
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return version_folder


def _connect(plan: ServicePlan, version_folder: Path) -> AuthorRuntime:
    link = BackendLink(plan.state_folder)

    def connect() -> ModelServerClient:
        if not plan.may_start_server:
            raise BackendUnavailable("this service runs without a model server (--sidecar never)")
        return ModelServerClient(link.wait_until_started().target, plan.model_name)

    def read_signature(client: ModelServerClient) -> Signature:
        return client.read_signature(_METADATA_SECONDS)

    def read_local_signature() -> Signature:
        return read_saved_model_signature(version_folder)

    is_remote = plan.backend_kind == REMOTE
    return AuthorRuntime(
        plan.model_name, str(version_folder), connect, read_signature, None if is_remote else read_local_signature
    )


def _service_class(plan: ServicePlan, version_folder: Path) -> type[ModelService]:
    path = plan.layout.service_path
    if path is None:
        return TfServingVisionService
    in_run_folder = version_folder / path.name if path.parent == plan.layout.model_directory else path
    module = load_service(str(in_run_folder), "customize_service", read_dependencies(plan.config.content))
    is_tensorflow = any(issubclass(value, TfServingBaseService) for value in classes_in(module).values())
    return choose_service_class(module, TfServingBaseService if is_tensorflow else SingleNodeService)


def _needs_one_instance(traits: ServiceTraits, service_class: type[ModelService]) -> bool:
    if getattr(service_class, "thread_safe", False) is True or not traits.single_instance_reasons:
        return False
    _log.info(
        "one instance for all requests, because:\n  %s\nset thread_safe = True on the class if it is",
        "\n  ".join(traits.single_instance_reasons),
    )
    return True


def _instance(service_class: type[ModelService], plan: ServicePlan, version_folder: Path) -> ModelService:
    try:
        return service_class(plan.model_name, str(version_folder))
    except (Exception, SystemExit) as error:
        raise PackageError(
            f"{plan.layout.service_path}: {service_class.__name__}(model_name, model_path) fails: "
            f"{type(error).__name__}: {error}"
        ) from error
