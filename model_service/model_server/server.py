"""The life of the server: load, listen, answer, drain, end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path
from types import FrameType

import grpc
import tensorflow as tf

from model_service.errors import ModelServiceError
from model_service.model_server.engine import LoadedModel
from model_service.model_server.flags import ServerFlags
from model_service.model_server.repository import newest_version
from model_service.model_server.services import ServedModel, add_services

_DRAIN_SECONDS = 15.0
_UNLIMITED = -1


class ServerNotStarted(ModelServiceError):
    """The model cannot be loaded, or an address cannot be listened on."""


def run(flags: ServerFlags) -> int:
    """Serve until SIGTERM or SIGINT; return the exit status.

    Raises:
        ModelServiceError: nothing can be served.
    """
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    server = _start(flags)
    stop.wait()
    server.stop(_DRAIN_SECONDS).wait()
    if flags.grpc_socket_path:
        Path(flags.grpc_socket_path).unlink(missing_ok=True)
    return 0


def _start(flags: ServerFlags) -> grpc.Server:
    model = _load(flags)
    server = grpc.server(
        futures.ThreadPoolExecutor(flags.grpc_max_threads, thread_name_prefix="grpc"),
        options=[
            ("grpc.max_receive_message_length", _UNLIMITED),
            ("grpc.max_send_message_length", _UNLIMITED),
            ("grpc.so_reuseport", 0),
        ],
    )
    add_services(server, model)
    for address in _addresses(flags):
        _listen(server, address)
    server.start()
    for address in _addresses(flags):
        print(f"Running gRPC ModelServer at {address} ...", file=sys.stderr, flush=True)
    return server


def _load(flags: ServerFlags) -> ServedModel:
    version, directory = newest_version(Path(flags.model_base_path))
    try:
        model = LoadedModel(directory, flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism)
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
        raise ServerNotStarted(
            f"Loading servable: {{name: {flags.model_name} version: {version}}} failed: {error}"
        ) from error
    print(f"Successfully loaded servable version {{name: {flags.model_name} version: {version}}}", file=sys.stderr)
    return ServedModel(flags.model_name, version, model, flags.enable_serialization_as_tensor_content)


def _addresses(flags: ServerFlags) -> list[str]:
    addresses = [f"0.0.0.0:{flags.port}"] if flags.port else []
    return [*addresses, f"unix:{flags.grpc_socket_path}"] if flags.grpc_socket_path else addresses


def _listen(server: grpc.Server, address: str) -> None:
    path = address.removeprefix("unix:")
    if path != address:
        _remove_stale_socket(path)
        os.umask(0o077)  # the socket is for this user only
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise ServerNotStarted(f"Failed to start server at {address}: {error}") from error


def _remove_stale_socket(path: str) -> None:
    """A socket that nobody listens on is what a killed server left behind."""
    import socket

    if not os.path.exists(path):
        return
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.connect(path)
        except OSError:
            os.unlink(path)
            return
    raise ServerNotStarted(f"Failed to start server at unix:{path}: another server listens there")
