"""Real servers, in processes of their own, on models that are written once per session."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from model_service.tfs.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    tensor_pb2,
)
from model_service.tfs.tensors import make_tensor_proto, to_array

START_SECONDS = 60.0
STOP_SECONDS = 30.0
CALL_SECONDS = 20.0


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the base paths of the models of write_models.py, by kind; read only."""
    folder = tmp_path_factory.mktemp("served_models")
    script = Path(__file__).with_name("write_models.py")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return folder


class ServerProcess:
    """A model server; its stderr is collected as it comes."""

    def __init__(self, flags: list[str], environment: dict[str, str] | None = None):
        self.flags = flags
        self.process = subprocess.Popen(
            [sys.executable, "-m", "model_service.model_server", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **(environment or {})},
        )
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def log(self) -> str:
        """What it has written so far."""
        return "".join(self._lines)

    def wait_for(self, pattern: str, timeout_seconds: float = START_SECONDS) -> None:
        """Wait for a line."""
        with self._news:
            found = self._news.wait_for(
                lambda: re.search(pattern, self.log) or self.process.poll() is not None, timeout_seconds
            )
        assert found and re.search(pattern, self.log), f"no line {pattern!r} in:\n{self.log}"  # noqa: PT018

    def wait(self, timeout_seconds: float = STOP_SECONDS) -> int:
        """Wait for the end; return the exit status."""
        status = self.process.wait(timeout_seconds)
        self._reader.join(5)
        return status

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        try:
            return self.wait()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()


class Client:
    """Calls one model server with the stubs of tensorflow_serving."""

    def __init__(self, target: str, model: str):
        self.channel = grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)])
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model_service = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.model = model

    def predict(self, signature: str = "", version: int | None = None, **inputs: Any) -> Any:
        """Run a Predict; values that are no TensorProto are made one."""
        request = self.request(signature, version, **inputs)
        return self.prediction.Predict(request, CALL_SECONDS)

    def request(self, signature: str = "", version: int | None = None, **inputs: Any) -> Any:
        """Make a PredictRequest."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        for name, value in inputs.items():
            proto = value if isinstance(value, tensor_pb2.TensorProto) else make_tensor_proto(value)
            request.inputs[name].CopyFrom(proto)
        return request

    def refusal(self, request: Any) -> tuple[grpc.StatusCode, str]:
        """Run a Predict that must fail; return its status code and text."""
        return self.error_of(self.prediction.Predict, request)

    @staticmethod
    def error_of(method: Any, request: Any) -> tuple[grpc.StatusCode, str]:
        """Call a method that must fail; return its status code and text."""
        with pytest.raises(grpc.RpcError) as caught:
            method(request, timeout=CALL_SECONDS)
        assert isinstance(caught.value, grpc.Call)
        return caught.value.code(), caught.value.details() or ""

    def status(self, version: int | None = None, model: str | None = None) -> Any:
        """Make a GetModelStatusRequest and send it."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.model if model is None else model
        if version is not None:
            request.model_spec.version.value = version
        return self.model_service.GetModelStatus(request, CALL_SECONDS)

    def metadata_request(self, *fields: str) -> Any:
        """Make a GetModelMetadataRequest."""
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.name = self.model
        request.metadata_field.extend(fields)
        return request


def values(proto: Any) -> list[Any]:
    """The elements of a TensorProto as nested lists."""
    elements: list[Any] = to_array(proto).tolist()
    return elements


def free_port() -> int:
    """A TCP port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


Starts = Callable[..., ServerProcess]
Connects = Callable[[ServerProcess], Client]


@pytest.fixture(scope="module")
def socket_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="ms-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def start(models: Path, socket_folder: Path) -> Iterator[Starts]:
    """``start(kind, *flags, ready=True)`` starts a server on a unix socket and waits until it serves."""
    started: list[ServerProcess] = []

    def start_server(
        kind: str, *flags: str, ready: bool = True, environment: dict[str, str] | None = None
    ) -> ServerProcess:
        path = socket_folder / f"{len(started)}.sock"
        own = [f"--model_name={kind}", f"--model_base_path={models / kind}", "--port=0", f"--grpc_socket_path={path}"]
        server = ServerProcess([*own, *flags], environment)
        started.append(server)
        if ready:
            server.wait_for("Running gRPC ModelServer")
        return server

    yield start_server
    for server in started:
        server.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def connect() -> Iterator[Connects]:
    """``connect(server)`` is a client of it."""
    clients: list[Client] = []

    def connect_to(server: ServerProcess) -> Client:
        flags = dict(flag.removeprefix("--").split("=", 1) for flag in server.flags if "=" in flag)
        path, port = flags["grpc_socket_path"], flags["port"]
        target = f"127.0.0.1:{port}" if port != "0" else f"unix:{path}"
        clients.append(Client(target, flags["model_name"]))
        return clients[-1]

    yield connect_to
    for client in clients:
        client.channel.close()


ServedModels = Callable[[str], Client]


@pytest.fixture(scope="module")
def served(start: Starts, connect: Connects) -> ServedModels:
    """``served(kind)`` is a client of a server with that model; one server per kind and module."""
    clients: dict[str, Client] = {}

    def client_of(kind: str) -> Client:
        if kind not in clients:
            clients[kind] = connect(start(kind))
        return clients[kind]

    return client_of


def wait_until(condition: Callable[[], object], timeout_seconds: float = 20.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


FloatArray = np.ndarray[Any, np.dtype[np.float32]]
