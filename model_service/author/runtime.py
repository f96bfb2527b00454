"""What a service object reaches when it asks for the model server: one binding per worker process.

The binding is made before the author's module is loaded. Nothing of it is stored on the author's object, whose
attributes are the author's own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from model_service.errors import ModelServiceError

if TYPE_CHECKING:
    from model_service.tfs.client import ModelServerClient
    from model_service.tfs.dtypes import DType
    from model_service.tfs.signature import Signature


# Input arrays by tensor key -> output arrays by tensor key.
Predict = Callable[[Mapping[str, Any]], dict[str, Any]]


class NotServing(ModelServiceError):
    """A service object asked for the model server, but none is bound in this process."""


@dataclass
class ModelDef:
    """The model as service code sees it in ``self.model``.

    Attributes:
        model_name: the name on the model server.
        model_path: the folder of the SavedModel.
        model_signature: the key of the chosen signature.
        model_inputs: tensor key -> element type.
        model_outputs: tensor key -> element type.
    """

    model_name: str
    model_path: str
    model_signature: str
    model_inputs: Mapping[str, DType]
    model_outputs: Mapping[str, DType]


class AuthorRuntime:
    """The model server of this process, connected when it is first needed.

    Args:
        model_name: the name on the model server.
        model_path: the folder that service objects get as ``model_path``.
        connect: waits until the model server is ready (a lazy one is started) and returns a client; raises
            BackendUnavailable.
        read_signature: asks the model server for the signature to call; raises SignatureError.
        read_local_signature: reads it from the SavedModel on disk instead, where there is one.
    """

    def __init__(
        self,
        model_name: str,
        model_path: str,
        connect: Callable[[], ModelServerClient],
        read_signature: Callable[[ModelServerClient], Signature],
        read_local_signature: Callable[[], Signature] | None = None,
    ):
        self.model_name = model_name
        self.model_path = model_path
        self._connect = connect
        self._read_signature = read_signature
        self._read_local_signature = read_local_signature
        self._client: ModelServerClient | None = None
        self._signature: Signature | None = None
        self._model: ModelDef | None = None
        self._predict: Predict | None = None
        self._lock = threading.RLock()

    @property
    def client(self) -> ModelServerClient:
        """The client; the first use connects."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = self._connect()
        return self._client

    @property
    def signature(self) -> Signature:
        """The signature to call; the first use reads it."""
        if self._signature is None:
            with self._lock:
                if self._signature is None:
                    local = self._read_local_signature
                    self._signature = local() if local is not None else self._read_signature(self.client)
        return self._signature

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run a Predict, or hand it to whom :meth:`predict_through` has named.

        Raises:
            InputRefused: names or element types do not fit the signature.
            grpc.RpcError, RequestError: the call failed.
        """
        if self._predict is None:
            return self.client.predict(inputs, self.signature)
        return self._predict(inputs)

    def predict_through(self, predict: Predict) -> None:
        """Have somebody else run the Predicts of this process from now on."""
        self._predict = predict

    @property
    def stub(self) -> Any:
        """The PredictionServiceStub of the client."""
        return self.client.stub

    def model_def(self) -> ModelDef:
        """Return the object that service code sees as ``self.model``: one, as authors hang things on it."""
        with self._lock:
            if self._model is None:
                signature = self.signature
                self._model = ModelDef(
                    self.model_name,
                    self.model_path,
                    signature.name,
                    {name: spec.dtype for name, spec in signature.inputs.items()},
                    {name: spec.dtype for name, spec in signature.outputs.items()},
                )
        return self._model


_bound: AuthorRuntime | None = None


def bind(runtime: AuthorRuntime | None) -> None:
    """Make ``runtime`` the one of this process; None unbinds."""
    global _bound
    _bound = runtime


def current() -> AuthorRuntime:
    """Return the runtime of this process.

    Raises:
        NotServing: nothing is bound.
    """
    if _bound is None:
        raise NotServing(
            "no model server is bound in this process; service classes run inside: model-service serve PACKAGE"
        )
    return _bound


def get_tf_server_stub() -> Any:
    """Return the gRPC stub of TensorFlow Serving's PredictionService; ``stub.Predict(request, 60.0)`` calls it.

    Starts a lazy model server and waits for it.
    """
    return current().stub
