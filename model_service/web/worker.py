"""What happens in a worker process before it listens: the author's code is housed, loaded and connected."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from model_service.author import fallbacks
from model_service.author.base import ModelService, SingleNodeService
from model_service.author.inspection import ServiceTraits
from model_service.author.loader import choose_service_class, load_service
from model_service.author.run_folder import make_run_folder
from model_service.author.runtime import AuthorRuntime, bind
from model_service.backend.link import BackendLink
from model_service.backend.plan import REMOTE
from model_service.backend.process import die_with_parent
from model_service.backend.state import Phase, StateFolder
from model_service.errors import BackendUnavailable, ModelServiceError, PackageError
from model_service.inference.contract import Mode
from model_service.inference.pipeline import Pipeline, Service, make_contracts
from model_service.inference.pool import InstancePool
from model_service.package.config import PackageConfig
from model_service.package.layout import PackageLayout
from model_service.telemetry import configure_logging
from model_service.web.affinity import keep_together
from model_service.web.app import Readiness, create_app
from model_service.web.ingress import Ingress, Limits
from model_service.web.options import ServeOptions

_log = logging.getLogger(__name__)
_READY_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class WorkerPlan:
    """Everything the parent decided; a worker only carries it out.

    Attributes:
        run_root: private folder of this service; holds ``backend/`` and a run folder per worker.
        uses_model_server: a Predict can happen, so a signature is needed before the first request.
    """

    options: ServeOptions
    layout: PackageLayout
    config: PackageConfig
    traits: ServiceTraits
    request_mode: Mode
    response_mode: Mode
    backend_kind: str
    run_root: Path
    needs_signature: bool

    @property
    def failure_path(self) -> Path:
        """Where a worker that cannot load leaves the reason."""
        return self.run_root / "worker-failure.txt"

    @property
    def loaded_path(self) -> Path:
        """Touched by the first worker that has loaded."""
        return self.run_root / "worker-loaded"

    @property
    def state_folder(self) -> StateFolder:
        """Where the state of the model server is published."""
        return StateFolder(self.run_root / "backend")


def load(plan: WorkerPlan) -> Ingress:
    """Make this process a worker and return its application.

    When the package cannot be loaded the reason is left for the parent, the service is stopped, and this never
    returns.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the server takes it over
    die_with_parent()()
    configure_logging(plan.options.log_level)
    try:
        application = _load(plan)
    except ModelServiceError as error:
        _give_up(plan, str(error))
    except Exception as error:  # noqa: BLE001 - the parent must hear of it
        _log.exception("a worker cannot start")
        _give_up(plan, f"a worker cannot start: {type(error).__name__}: {error}")
    if plan.options.cpu_affinity == "auto":
        keep_together(application.count_requests)
    plan.loaded_path.touch()
    return application


def _give_up(plan: WorkerPlan, reason: str) -> NoReturn:
    if not plan.failure_path.exists():
        plan.failure_path.write_text(reason, encoding="utf-8")
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(60)
    sys.exit(1)


def _load(plan: WorkerPlan) -> Ingress:
    version_folder = _enter_run_folder(plan)
    runtime = make_runtime(plan, version_folder)
    bind(runtime)
    if plan.needs_signature and plan.backend_kind != REMOTE:
        _ = runtime.signature
    service_class = _service_class(plan, version_folder)
    size = 1 if _needs_one_instance(plan.traits, service_class) else plan.options.threads
    pool = InstancePool[Service](lambda: _instance(service_class, plan, version_folder), size)
    contracts = make_contracts(plan.config, plan.request_mode, plan.response_mode)
    options = plan.options
    app = create_app(
        Pipeline(pool, contracts, options.request_timeout),
        list(contracts),
        options.max_image_pixels,
        lambda: _readiness(plan, runtime),
    )
    limits = Limits(
        options.max_body_bytes, options.body_timeout, options.request_timeout, options.threads, options.queue
    )
    return Ingress(app.wsgi_app, limits, _verifier(options), options.access_log)


def _verifier(options: ServeOptions) -> Any:
    from model_service.auth.tokens import read_tokens

    return read_tokens(options.auth_file) if options.auth_file is not None else None


def _enter_run_folder(plan: WorkerPlan) -> Path:
    """House the package: its folder is first on sys.path for good, helpers may be imported at any time."""
    run_folder = plan.run_root / f"worker-{os.getpid()}"
    version_folder = make_run_folder(run_folder, plan.layout.model_directory)
    os.chdir(run_folder)
    sys.dont_write_bytecode = True  # the package's folder is not ours to write to
    sys.path.insert(0, str(version_folder))
    fallbacks.install()
    _set_pillow_limit(plan.options.max_image_pixels)
    return version_folder


def _set_pillow_limit(max_pixels: int) -> None:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = max(max_pixels // 2, 1)  # Pillow refuses above twice this
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def make_runtime(plan: WorkerPlan, version_folder: Path) -> AuthorRuntime:
    """Connect service objects with the model server; gRPC is loaded when it is first used."""
    from model_service.tfs.client import ModelServerClient
    from model_service.tfs.signature import Signature, read_saved_model_signature

    link = BackendLink(plan.state_folder)

    def connect() -> ModelServerClient:
        if plan.options.sidecar == "never" and plan.backend_kind != REMOTE:
            raise BackendUnavailable("this service runs without a model server (--sidecar never)")
        return ModelServerClient(link.wait_until_started().target, plan.options.model_name)

    def read_signature(client: ModelServerClient) -> Signature:
        return client.read_signature(_READY_CHECK_SECONDS * 5)

    local = None
    if plan.backend_kind != REMOTE:
        local = lambda: read_saved_model_signature(version_folder)  # noqa: E731
    return AuthorRuntime(plan.options.model_name, str(version_folder), connect, read_signature, local)


def _service_class(plan: WorkerPlan, version_folder: Path) -> type[ModelService]:
    from model_service.author.tfserving import TfServingBaseService
    from model_service.author.vision import TfServingVisionService

    path = plan.layout.service_path
    if path is None:
        return TfServingVisionService
    in_run_folder = version_folder / path.name if path.parent == plan.layout.model_directory else path
    module = load_service(str(in_run_folder), "customize_service")
    is_tensorflow = any(
        isinstance(value, type) and issubclass(value, TfServingBaseService) for value in vars(module).values()
    )
    return choose_service_class(module, TfServingBaseService if is_tensorflow else SingleNodeService)


def _needs_one_instance(traits: ServiceTraits, service_class: type[ModelService]) -> bool:
    if getattr(service_class, "thread_safe", False) is True or not traits.single_instance_reasons:
        return False
    _log.info(
        "one instance for all requests, because:\n  %s\nset thread_safe = True on the class if it is",
        "\n  ".join(traits.single_instance_reasons),
    )
    return True


def _instance(service_class: type[ModelService], plan: WorkerPlan, version_folder: Path) -> ModelService:
    try:
        return service_class(plan.options.model_name, str(version_folder))
    except (Exception, SystemExit) as error:
        raise PackageError(
            f"{plan.layout.service_path}: {service_class.__name__}(model_name, model_path) fails: "
            f"{type(error).__name__}: {error}"
        ) from error


def _readiness(plan: WorkerPlan, runtime: AuthorRuntime) -> Readiness:
    details: dict[str, Any] = {
        "contract": {
            "request": plan.request_mode.value,
            "response": plan.response_mode.value,
            "problems": [str(problem) for problem in plan.config.problems],
        }
    }
    is_ready, server = _model_server_readiness(plan, runtime)
    details["model_server"] = server
    return Readiness(is_ready, {"status": "ready" if is_ready else "not ready", **details})


def _model_server_readiness(plan: WorkerPlan, runtime: AuthorRuntime) -> tuple[bool, dict[str, Any]]:
    if plan.options.sidecar == "never":
        return True, {"phase": "never started"}
    state = BackendLink(plan.state_folder).state()
    if state is None:
        return False, {"phase": Phase.STOPPED.value}
    server = {"kind": state.kind, "phase": state.phase.value, "starts": state.starts, "reason": state.reason}
    if state.phase is Phase.FOUND:  # a lazy one: nobody needs it yet
        return True, server
    if state.phase is not Phase.READY:
        return False, server
    import grpc

    try:
        model = runtime.client.model_state(_READY_CHECK_SECONDS)
    except grpc.RpcError as error:
        code = error.code().name if isinstance(error, grpc.Call) else "UNKNOWN"
        return False, {**server, "reason": f"it does not answer: {code}"}
    return model.available, {**server, "reason": "" if model.available else model.text}
