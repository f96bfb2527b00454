"""What author tests share: a process that looks like a worker's, and a model server that is a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from model_service.author import fallbacks, runtime
from model_service.author.loader import load_service
from model_service.author.run_folder import make_run_folder
from model_service.author.runtime import AuthorRuntime
from model_service.tfs.client import ModelServerClient
from model_service.tfs.dtypes import BY_NAME
from model_service.tfs.protos import predict_pb2
from model_service.tfs.signature import Signature, TensorSpec
from model_service.tfs.tensors import set_tensor, to_array

Compute = Callable[[Mapping[str, np.ndarray[Any, Any]]], Mapping[str, object]]


@dataclass
class FakeStub:
    """Stands for TensorFlow Serving: answers Predict with ``compute``, and keeps what it was sent."""

    compute: Compute
    outputs: Mapping[str, TensorSpec]
    requests: list[Any] = field(default_factory=list)
    timeouts: list[float | None] = field(default_factory=list)

    def Predict(self, request: Any, timeout: float | None = None) -> Any:
        self.requests.append(request)
        self.timeouts.append(timeout)
        reply = predict_pb2.PredictResponse()
        results = self.compute({name: to_array(tensor) for name, tensor in request.inputs.items()})
        for name, value in results.items():
            set_tensor(reply.outputs[name], value, self.outputs[name])
        return reply


@dataclass
class Bound:
    """The runtime of this process, and what was asked of it."""

    runtime: AuthorRuntime
    stub: FakeStub
    calls: list[str]


BindModel = Callable[..., Bound]


def spec(name: str, kind: str = "float32") -> TensorSpec:
    return TensorSpec(name, BY_NAME[kind], (None,))


@pytest.fixture
def bind_model() -> Iterator[BindModel]:
    """``bind_model(compute, inputs=..., outputs=..., local=False)`` binds a model server that computes ``compute``.

    ``inputs`` and ``outputs`` are element types by name; the signature is called ``predict_images``. ``calls`` lists,
    in order, when the runtime connected and where it read the signature.
    """
    clients = []

    def bind(
        compute: Compute = lambda inputs: {"y": inputs["x"]},
        inputs: Mapping[str, str] | None = None,
        outputs: Mapping[str, str] | None = None,
        local: bool = False,
    ) -> Bound:
        signature = Signature(
            "predict_images",
            {name: spec(name, kind) for name, kind in (inputs or {"x": "float32"}).items()},
            {name: spec(name, kind) for name, kind in (outputs or {"y": "float32"}).items()},
        )
        client = ModelServerClient("unix:/nowhere", "serve")  # connects to nothing: its stub is replaced
        stub = FakeStub(compute, signature.outputs)
        client.stub = stub
        clients.append(client)
        calls: list[str] = []

        def connect() -> ModelServerClient:
            calls.append("connect")
            return client

        def read(_client: ModelServerClient) -> Signature:
            calls.append("ask the server")
            return signature

        def read_local() -> Signature:
            calls.append("read the file")
            return signature

        made = AuthorRuntime("serve", "/models/1", connect, read, read_local if local else None)
        runtime.bind(made)
        return Bound(made, stub, calls)

    yield bind
    runtime.bind(None)
    for client in clients:
        client.close()


@pytest.fixture
def worker_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """``worker_process(package)`` makes this process look as a worker's does before the author's code is loaded.

    Returns the package's ``model/1`` in a run folder. Afterwards everything is as it was.
    """
    known = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def enter(package: Path) -> Path:
        run_folder = tmp_path / "run"
        version_folder = make_run_folder(run_folder, package / "model")
        monkeypatch.chdir(run_folder)
        sys.path.insert(0, str(version_folder))
        fallbacks.install()
        return version_folder

    yield enter
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or str(tmp_path)
        if str(tmp_path) in file or "pytest-" in file:
            del sys.modules[name]


@pytest.fixture
def load(worker_process: Callable[[Path], Path]) -> Callable[[Path], ModuleType]:
    """``load(package)`` loads its customize_service.py as a worker does."""

    def load_package(package: Path) -> ModuleType:
        return load_service(str(worker_process(package) / "customize_service.py"), "customize_service")

    return load_package
