"""The life of the server: load, listen, answer, drain, end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import grpc

from model_service.host.affinity import keep_together, python_threads
from model_service.model_server.core import ServerCore
from model_service.model_server.flags import DEFAULT_ADDRESS, ServerFlags, channel_arguments
from model_service.model_server.grpc_services import CallCounter, add_profiler_service, add_services
from model_service.model_server.health import HealthService, add_health_service
from model_service.model_server.loading import ModelLoader
from model_service.model_server.manager import LoadOptions, ModelManager
from model_service.model_server.messages import ModelServerConfig
from model_service.model_server.model_configs import single_model
from model_service.model_server.served_models import ServedModels
from model_service.model_server.sockets import UnixSocket, joined_address, listen_tcp
from model_service.model_server.text_protos import read_text_proto

if TYPE_CHECKING:
    from model_service.model_server.monitoring import Metrics
    from model_service.model_server.rest.server import Page, RestServer

_log = logging.getLogger(__name__)

_DRAIN_SECONDS = 15.0
_THREAD_END_SECONDS = 1.0
# Of processor time. What computes for longer gains more from several processors than from threads that stay together;
# TensorFlow's own threads are never bound.
_SMALL_CALL_SECONDS = 0.001
_GRPC_THREADS = ("event_engine", "grpc", "lifeguard")
_MAX_MESSAGE_BYTES = 2**31 - 1  # the real server's


class Server:
    """One model server, from its flags."""

    def __init__(self, flags: ServerFlags):
        self._flags = flags
        self._stop = threading.Event()
        self._credentials = _read_credentials(flags)
        self._metrics, self._pages = _read_monitoring(flags)
        self._manager = ModelManager(ModelLoader(flags, self._metrics), _load_options(flags))
        self._models = ServedModels(self._manager, flags.allow_version_labels_for_unavailable_models)
        self._unix_socket = UnixSocket(flags.grpc_socket_path) if flags.grpc_socket_path else None
        self._pool = ThreadPoolExecutor(flags.grpc_max_threads, thread_name_prefix="grpc")

    def run(self) -> None:
        """Load the models, then serve until SIGTERM or SIGINT; a second signal ends the process at once.

        Raises:
            ServingError: a model cannot be loaded, or an address cannot be listened on.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        flags = self._flags
        try:
            self._manager.start()
            self._models.start(_server_config(flags))
            if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
                self._models.follow_file(flags.model_config_file, flags.model_config_file_poll_wait_seconds)
            if not self._stop.is_set():
                self._serve()
        finally:
            self._manager.stop()
            if self._unix_socket is not None:
                self._unix_socket.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            os._exit(128 + number)
        self._stop.set()
        self._manager.stop()

    def _serve(self) -> None:
        grpc_server, health = self._start_grpc()
        rest_server = self._start_rest()
        self._announce()
        self._stop.wait()
        if health is not None:
            health.say_farewell()
        drained = grpc_server.stop(_DRAIN_SECONDS)
        if rest_server is not None:
            rest_server.stop(_DRAIN_SECONDS)
        drained.wait()
        self._end_threads()

    def _start_grpc(self) -> tuple[grpc.Server, HealthService | None]:
        flags = self._flags
        server = grpc.server(self._pool, options=_grpc_options(flags))
        counter = CallCounter()
        add_services(server, self._make_core("GRPC"), counter)
        if flags.keep_threads_together:
            keep_together(lambda: counter.calls, _SMALL_CALL_SECONDS, partial(python_threads, *_GRPC_THREADS))
        if flags.enable_profiler:
            add_profiler_service(server, flags.profiler_log_dir)
        health = add_health_service(server) if flags.enable_grpc_healthcheck_service else None
        if flags.port:
            listen_tcp(server, joined_address(flags.listen_address, flags.port), self._credentials)
        if self._unix_socket is not None:
            self._unix_socket.listen(server, self._credentials)
        server.start()
        return server, health

    def _start_rest(self) -> RestServer | None:
        flags = self._flags
        if not flags.rest_api_port:
            return None
        from model_service.model_server.rest.api import RestApi
        from model_service.model_server.rest.server import RestOptions, RestServer

        options = RestOptions(
            host=flags.listen_address,
            port=flags.rest_api_port,
            threads=flags.rest_api_num_threads,
            timeout_seconds=flags.rest_api_timeout_in_ms / 1000,
            has_cors=flags.rest_api_enable_cors_support,
        )
        rest = RestServer(RestApi(self._make_core("REST")), options, self._pages)
        rest.start()
        return rest

    def _make_core(self, entrypoint: str) -> ServerCore:
        flags = self._flags
        options = (
            self._manager,
            self._models,
            flags.enable_serialization_as_tensor_content,
            flags.enable_signature_method_name_check,
        )
        if self._metrics is None:
            return ServerCore(*options)
        from model_service.model_server.monitoring import MonitoredCore

        return MonitoredCore(self._metrics, entrypoint, *options)

    def _announce(self) -> None:
        flags = self._flags
        if flags.port:
            _log.info("Running gRPC ModelServer at %s ...", joined_address(flags.listen_address, flags.port))
        if flags.port and flags.listen_address == DEFAULT_ADDRESS:
            _log.info("Only this machine is answered; --listen_address=0.0.0.0 answers all that can reach it")
        if self._unix_socket is not None:
            _log.info("Running gRPC ModelServer at UNIX socket %s ...", flags.grpc_socket_path)

    def _end_threads(self) -> None:
        """Wait for the threads that work on calls; a call that outlived the grace must not hold up the end."""
        waiter = threading.Thread(target=self._pool.shutdown, daemon=True)
        waiter.start()
        waiter.join(_THREAD_END_SECONDS)
        if waiter.is_alive():
            _log.warning("calls in flight did not end within %.0f s; giving them up", _DRAIN_SECONDS)
            if self._unix_socket is not None:
                self._unix_socket.close()
            sys.stderr.flush()
            os._exit(0)


def _read_credentials(flags: ServerFlags) -> grpc.ServerCredentials | None:
    if not flags.ssl_config_file:
        return None
    from model_service.model_server.tls import read_credentials

    return read_credentials(flags.ssl_config_file)


def _read_monitoring(flags: ServerFlags) -> tuple[Metrics | None, Mapping[str, Page]]:
    """Return the metrics, if they are wanted, and the pages that show them."""
    if not flags.monitoring_config_file:
        return None, {}
    from model_service.model_server.monitoring import PAGE_PATH, Metrics
    from model_service.model_server.own_messages import MonitoringConfig

    config = read_text_proto(flags.monitoring_config_file, MonitoringConfig).prometheus_config
    if not config.enable:
        return None, {}
    if not flags.rest_api_port:
        _log.warning("--monitoring_config_file: nothing shows the metrics without --rest_api_port")
    metrics = Metrics()
    return metrics, {config.path or PAGE_PATH: metrics.page}


def _server_config(flags: ServerFlags) -> Any:
    if flags.model_config_file:
        return read_text_proto(flags.model_config_file, ModelServerConfig)
    _log.info(
        "Building single TensorFlow model file config:  model_name: %s model_base_path: %s",
        flags.model_name,
        flags.model_base_path,
    )
    return single_model(flags.model_name, flags.model_base_path)


def _load_options(flags: ServerFlags) -> LoadOptions:
    return LoadOptions(
        poll_seconds=flags.file_system_poll_wait_seconds,
        max_retries=flags.max_num_load_retries,
        retry_seconds=max(0.0, flags.load_retry_interval_micros / 1e6),
        load_threads=flags.num_load_threads,
        unload_threads=flags.num_unload_threads,
    )


def _grpc_options(flags: ServerFlags) -> list[tuple[str, int | str]]:
    options: dict[str, int | str] = {
        "grpc.max_receive_message_length": _MAX_MESSAGE_BYTES,
        "grpc.max_send_message_length": _MAX_MESSAGE_BYTES,
        # The real server lets two processes share a port and answer in turn, a trap; the argument below can ask for it.
        "grpc.so_reuseport": 0,
    }
    options.update(channel_arguments(flags.grpc_channel_arguments))  # of two values for one name gRPC takes the first
    return list(options.items())
