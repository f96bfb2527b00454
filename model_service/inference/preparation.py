"""From a package on disk to a plan: what every command that runs a package decides before anything of it is executed.

Loads neither gRPC nor the author's code.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from model_service.author.inspection import ServiceTraits, inspect_service
from model_service.author.run_folder import make_run_folder
from model_service.backend.plan import REMOTE, BackendPlan, SidecarOptions, choose_backend
from model_service.backend.state import StateFolder
from model_service.errors import PackageError
from model_service.inference.contract import Mode
from model_service.inference.service_plan import ServicePlan
from model_service.package.archive import unpacked_package
from model_service.package.config import PackageConfig, read_config
from model_service.package.dependencies import install_line, missing_dependencies, read_dependencies
from model_service.package.layout import PackageLayout, find_package

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ServiceOptions:
    """What a user may say about how a package runs, whatever the command.

    Attributes:
        package: the folder that holds model/, model/ itself, a training output, or an archive.
        service: a file to use instead of the package's customize_service.py.
        backend: which model server; see :func:`choose_backend`.
        sidecar: when a model server is started: ``auto``, ``always`` or ``never``.
        validate_request, validate_response: a mode's name; None: config.json decides.
        threads: how many requests are worked on at once.
        wait_seconds: how long a request may wait for an instance.
        grpc_port, rest_port: TCP ports of a local model server; 0: none.
    """

    package: Path
    service: Path | None
    model_name: str
    backend: str
    sidecar: str
    validate_request: str | None
    validate_response: str | None
    threads: int
    wait_seconds: float
    max_image_pixels: int
    grpc_port: int = 0
    rest_port: int = 0


@dataclass(frozen=True)
class Preparation:
    """A package that can be run.

    Attributes:
        plan: what :func:`model_service.inference.assembly.assemble` carries out.
        backend: the model server, not started yet.
        backend_folder: where it lives and its state is published.
        is_lazy: it is started only when the package asks for it.
    """

    plan: ServicePlan
    backend: BackendPlan
    backend_folder: Path
    is_lazy: bool


def prepare(options: ServiceOptions, run_root: Path) -> Preparation:
    """Read the package and choose the model server.

    Args:
        options: what the user said.
        run_root: private folder for this run; gets ``backend/``, ``sidecar/`` and, of an archive, ``package/``.

    Raises:
        PackageError: the package cannot be run.
        SettingsError: an option is unusable.
    """
    layout = find_package(unpacked_package(options.package, run_root / "package"), options.service)
    config = read_config(layout.config_path)
    traits = inspect_service(layout.service_path)
    request_mode, response_mode = _modes(options, config)
    backend_folder = run_root / "backend"
    backend = _choose_backend(options, layout, run_root / "sidecar", backend_folder)
    _check_model(layout, traits, backend)
    _warn_of_missing_dependencies(layout, config)
    plan = ServicePlan(
        layout=layout,
        config=config,
        traits=traits,
        request_mode=request_mode,
        response_mode=response_mode,
        model_name=options.model_name,
        backend_kind=backend.kind,
        may_start_server=options.sidecar != "never" or backend.kind == REMOTE,
        threads=options.threads,
        wait_seconds=options.wait_seconds,
        max_image_pixels=options.max_image_pixels,
        state_folder=StateFolder(backend_folder),
    )
    is_lazy = options.sidecar == "auto" and traits.has_own_inference
    return Preparation(plan, backend, backend_folder, is_lazy)


def _modes(options: ServiceOptions, config: PackageConfig) -> tuple[Mode, Mode]:
    """Flag or environment, else the package's own wish, else strict for requests and warn for answers (D4)."""
    explicit = options.validate_request, options.validate_response
    for flag, wanted in zip(("--validate-request", "--validate-response"), explicit, strict=True):
        if wanted not in (None, "off") and not config.has_contract:
            problems = "; ".join(map(str, config.problems))
            raise PackageError(f"{flag} {wanted} asks for a contract, but there is none: {problems}")
    for problem in config.problems if explicit != ("off", "off") else ():
        _log.warning("running without a contract where this is: %s", problem)
    modes = []
    for side, wanted, default in zip(("request", "response"), explicit, (Mode.STRICT, Mode.WARN), strict=True):
        wish = wanted or config.validation.get(side)
        try:
            modes.append(Mode(wish) if wish is not None else default)
        except ValueError:
            raise PackageError(
                f"config.json /validation/{side}: {wish!r} is no mode; use off, warn, coerce or strict"
            ) from None
    return modes[0], modes[1]


def _choose_backend(
    options: ServiceOptions, layout: PackageLayout, sidecar_folder: Path, backend_folder: Path
) -> BackendPlan:
    backend_folder.mkdir(mode=0o700)
    make_run_folder(sidecar_folder, layout.model_directory)
    sidecar = SidecarOptions(
        folder=backend_folder,
        model_base_path=sidecar_folder / "model",
        model_name=options.model_name,
        grpc_port=options.grpc_port,
        rest_port=options.rest_port,
    )
    return choose_backend(options.backend, os.environ, sidecar)


def _check_model(layout: PackageLayout, traits: ServiceTraits, backend: BackendPlan) -> None:
    if layout.saved_model_path is None and backend.kind != REMOTE and not traits.has_own_inference:
        raise PackageError(
            f"{layout.model_directory}: there is no saved_model.pb, and customize_service.py has no _inference of its "
            "own; put the SavedModel there, or name a running model server with --backend HOST:PORT"
        )


def _warn_of_missing_dependencies(layout: PackageLayout, config: PackageConfig) -> None:
    """Only a warning: many packages declare what they never import (D7)."""
    if layout.service_path is None:  # the dependencies are those of the inference code
        return
    missing = missing_dependencies(read_dependencies(config.content), layout.model_directory)
    if missing:
        _log.warning(
            "config.json %s: not installed: %s; what imports it fails then. To install: %s",
            missing[0].pointer if len(missing) == 1 else "/dependencies",
            ", ".join(each.name for each in missing),
            install_line(missing, layout.model_directory),
        )
