"""What happens in a worker process before it listens, and what it says of itself afterwards."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import grpc

from model_service.auth.tokens import read_tokens
from model_service.backend.link import BackendLink
from model_service.backend.process import die_with_parent
from model_service.backend.state import Phase
from model_service.errors import ModelServiceError
from model_service.host.affinity import all_threads, keep_together
from model_service.inference.assembly import AssembledService, assemble
from model_service.telemetry import configure_logging
from model_service.web.app import Readiness, create_app
from model_service.web.ingress import Ingress, Limits
from model_service.web.worker_plan import WorkerPlan

_log = logging.getLogger(__name__)

_READY_CHECK_SECONDS = 1.0
_SMALL_REQUEST_SECONDS = 0.003
_LONGEST_ENDING_SECONDS = 60


def load(plan: WorkerPlan) -> Ingress:
    """Make this process a worker and return its application.

    When the package cannot be loaded the reason is left for the parent, the service is stopped, and this never
    returns.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the server takes it over
    die_with_parent()
    configure_logging(plan.options.log_level)
    try:
        application = _application(plan, assemble(plan.service, plan.run_root / f"worker-{os.getpid()}"))
    except ModelServiceError as error:
        _give_up(plan, str(error))
    except Exception as error:  # noqa: BLE001 - the parent must hear of it
        _log.exception("a worker cannot start")
        _give_up(plan, f"a worker cannot start: {type(error).__name__}: {error}")
    if plan.options.cpu_affinity == "auto":
        keep_together(application.count_requests, _SMALL_REQUEST_SECONDS, all_threads)
    announce_when_serving(plan.loaded_path)
    return application


def announce_when_serving(loaded_path: Path) -> None:
    """Touch ``loaded_path`` when the event loop makes its first turn, and let it have a SIGTERM that came before.

    uvloop loses a signal that arrives after its handlers are set and before it runs. The interpreter notes those in
    the wake-up pipe, which the loop takes over when it begins; so the pipe stays open.
    """
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writer)

    def announce() -> None:
        with suppress(BlockingIOError):
            if signal.SIGTERM in os.read(reader, 1024):
                os.kill(os.getpid(), signal.SIGTERM)
        loaded_path.touch()

    asyncio.get_event_loop().call_soon(announce)


def _give_up(plan: WorkerPlan, reason: str) -> NoReturn:
    if not plan.failure_path.exists():
        plan.failure_path.write_text(reason, encoding="utf-8")
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(_LONGEST_ENDING_SECONDS)  # a worker that ends by itself would be replaced
    sys.exit(1)


def _application(plan: WorkerPlan, service: AssembledService) -> Ingress:
    options = plan.options
    app = create_app(
        service.pipeline, list(service.contracts), options.max_image_pixels, lambda: _readiness(plan, service)
    )
    limits = Limits(
        options.max_body_bytes, options.body_timeout, options.request_timeout, options.threads, options.queue
    )
    verifier = read_tokens(options.auth_file) if options.auth_file is not None else None
    return Ingress(app.wsgi_app, limits, verifier, options.access_log)


def _readiness(plan: WorkerPlan, service: AssembledService) -> Readiness:
    is_ready, server = _model_server_readiness(plan, service)
    details = {
        "status": "ready" if is_ready else "not ready",
        "model_server": server,
        "contract": {
            "request": plan.service.request_mode.value,
            "response": plan.service.response_mode.value,
            "request_violations": service.pipeline.request_violations.total,
            "response_violations": service.pipeline.response_violations.total,
            "problems": [str(problem) for problem in plan.service.config.problems],
        },
    }
    return Readiness(is_ready, details)


def _model_server_readiness(plan: WorkerPlan, service: AssembledService) -> tuple[bool, dict[str, Any]]:
    if not plan.service.may_start_server:
        return True, {"phase": "never started"}
    state = BackendLink(plan.service.state_folder).state()
    if state is None:
        return False, {"phase": Phase.STOPPED.value}
    server = {"kind": state.kind, "phase": state.phase.value, "starts": state.starts, "reason": state.reason}
    if state.phase is Phase.FOUND:  # a lazy one: nobody needs it yet
        return True, server
    if state.phase is not Phase.READY:
        return False, server
    try:
        model = service.runtime.client.model_state(_READY_CHECK_SECONDS)
    except grpc.RpcError as error:
        code = error.code().name if isinstance(error, grpc.Call) else "UNKNOWN"
        return False, {**server, "reason": f"it does not answer: {code}"}
    return model.available, {**server, "reason": "" if model.available else model.text}
