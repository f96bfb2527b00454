"""``model-service serve``: the parent process, which owns the model server and the worker processes."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from model_service.auth.tokens import read_tokens
from model_service.backend.supervisor import Supervisor
from model_service.errors import ModelServiceError, PackageError, SettingsError
from model_service.inference.preparation import Preparation, ServiceOptions, prepare
from model_service.telemetry import configure_logging
from model_service.web.ingress import Ingress
from model_service.web.options import ServeOptions, parse_options
from model_service.web.worker_plan import WorkerPlan

_log = logging.getLogger("model_service.serve")

EXIT_USAGE = 2
_HEADER_READ_MILLISECONDS = 15_000
_ANNOUNCE_POLL_SECONDS = 0.02


def main(argv: Sequence[str]) -> int:
    """Serve a package until SIGTERM or Ctrl-C; return the exit status."""
    try:
        options = parse_options(argv, os.environ)
        configure_logging(options.log_level)
        return _serve(options)
    except ModelServiceError as error:
        print(f"model-service serve: {error}", file=sys.stderr)
        return EXIT_USAGE
    except _Stopped:
        _say("stopped before it served")
        return 0


def _serve(options: ServeOptions) -> int:
    if options.auth_file is not None:
        read_tokens(options.auth_file)
    run_root = Path(tempfile.mkdtemp(prefix="model-service-"))
    try:
        with _stopped_by_signals():  # an archive may take long to unpack, and must not be left there
            preparation = prepare(_service_options(options), run_root)
        port_holder, port = _hold_port(options.host, options.port)
        with port_holder:
            plan = WorkerPlan(options, preparation.plan, run_root)
            return _Service(plan, preparation, port).run()
    finally:
        shutil.rmtree(run_root, ignore_errors=True)


class _Stopped(BaseException):
    """A signal asked for the end; no error."""


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _service_options(options: ServeOptions) -> ServiceOptions:
    return ServiceOptions(
        package=options.package,
        service=options.service,
        model_name=options.model_name,
        backend=options.backend,
        sidecar=options.sidecar,
        validate_request=options.validate_request,
        validate_response=options.validate_response,
        threads=options.threads,
        wait_seconds=options.request_timeout,
        max_image_pixels=options.max_image_pixels,
        grpc_port=options.sidecar_grpc_port,
        rest_port=options.sidecar_rest_port,
    )


def _hold_port(host: str, port: int) -> tuple[socket.socket, int]:
    """Reserve the address for the workers' sockets; refuse one that another process listens on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as trial:  # without SO_REUSEPORT a second server is seen
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
            trial.listen()
        holder = socket.socket(family)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, port))
    except OSError as error:
        hint = "; choose another with --port" if error.errno == errno.EADDRINUSE else ""
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from error
    return holder, holder.getsockname()[1]


class _Service:
    """The running service: supervisor thread, server, announcement, exit status."""

    def __init__(self, plan: WorkerPlan, preparation: Preparation, port: int):
        self._plan = plan
        self._options = plan.options
        self._port = port
        self._fatal = ""
        self._backend_ready = threading.Event()
        self._is_lazy = preparation.is_lazy
        self._has_sidecar = plan.service.may_start_server
        self._backend = preparation.backend
        self._supervisor = Supervisor(
            self._backend, preparation.backend_folder, self._is_lazy, self._backend_ready.set, self._give_up
        )

    def run(self) -> int:
        """Serve until told to stop."""
        if self._has_sidecar:
            self._supervisor.start()
        threading.Thread(target=self._announce, name="announcer", daemon=True).start()
        try:
            exit_status = self._run_server()
        finally:
            self._supervisor.stop()
        if self._plan.failure_path.exists():
            self._fatal = self._plan.failure_path.read_text(encoding="utf-8")
        if self._fatal:
            raise PackageError(self._fatal)
        if exit_status:
            raise PackageError("the workers end again and again while they start; the reason is above")
        _log.info("stopped")
        return 0

    def _run_server(self) -> int:
        from granian.constants import HTTPModes, Interfaces, Loops
        from granian.http import HTTP1Settings
        from granian.log import LogLevels
        from granian.server import Server

        server = Server(
            "model_service",
            address=self._options.host,
            port=self._port,
            interface=Interfaces.ASGINL,
            workers=self._options.workers,
            loop=Loops.uvloop,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=_HEADER_READ_MILLISECONDS),
            websockets=False,
            backlog=1024,
            backpressure=1024,
            log_level=LogLevels.error,
            respawn_failed_workers=True,
            workers_kill_timeout=self._options.drain_timeout,
        )
        try:
            server.serve(target_loader=partial(_load_worker, self._plan), wrap_loader=False)
        except SystemExit as ending:
            return ending.code if isinstance(ending.code, int) else 1
        return 0

    def _give_up(self, reason: str) -> None:
        self._fatal = reason
        os.kill(os.getpid(), signal.SIGTERM)

    def _announce(self) -> None:
        """Say that the service answers, once the first worker and the model server do."""
        waits_for_backend = self._has_sidecar and not self._is_lazy
        while not self._plan.loaded_path.exists():
            if threading.Event().wait(_ANNOUNCE_POLL_SECONDS) or self._fatal:
                return
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        address = f"http://{host}:{self._port}/"
        modes = f"request {self._plan.service.request_mode.value}, response {self._plan.service.response_mode.value}"
        _say(f"listening on {address} (contract: {modes})")
        if waits_for_backend:
            self._backend_ready.wait()
        package = self._options.package
        served = package if package.is_file() else self._plan.service.layout.model_directory
        _say(f"ready: {address} serves {served} (model server: {self._backend.kind})")


def _load_worker(plan: WorkerPlan) -> Ingress:
    """Runs in the worker, where gRPC may be loaded; here it must not be, because workers are forked."""
    from model_service.web.worker import load

    return load(plan)


def _say(line: str) -> None:
    """Tell the person at the terminal, and programs that wait for it, whatever the log level is."""
    print(f"model-service: {line}", file=sys.stderr, flush=True)
