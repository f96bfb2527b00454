"""One model on one model server, over gRPC: Predict, its signature, its state."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from model_service.errors import InputRefused
from model_service.tfs.patience import call_patiently
from model_service.tfs.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from model_service.tfs.signature import Signature, choose_signature
from model_service.tfs.tensors import set_tensor, to_array

PREDICT_TIMEOUT_SECONDS = 60.0  # the original runtime's
MAX_MESSAGE_BYTES = 256 * 1024 * 1024

# A restarted sidecar must be found again at once; gRPC's own default waits up to two minutes.
_CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),  # none are configured, and the machinery costs 15 us a call
]


DEFAULT_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class ModelState:
    """What GetModelStatus says of the newest version."""

    available: bool
    text: str


class ModelServerClient:
    """Talks to the model ``model_name`` at ``target`` (``unix:/path`` or ``host:port``).

    Make it after a fork, never before. Safe to share between threads.
    """

    def __init__(self, target: str, model_name: str):
        self.target = target
        self.model_name = model_name
        self._channel = grpc.insecure_channel(target, options=_CHANNEL_OPTIONS)
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._model_service = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        self._channel.close()

    def predict(
        self,
        inputs: Mapping[str, object],
        signature: Signature,
        timeout_seconds: float = PREDICT_TIMEOUT_SECONDS,
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Run one Predict.

        Args:
            inputs: a value for every input of the signature, by tensor key; see :func:`tensors.set_tensor`.
            signature: the signature to call.
            timeout_seconds: how long the server may take.

        Returns:
            Every output of the signature by tensor key; arrays may be read-only views.

        Raises:
            InputRefused: names or element types do not fit the signature.
            grpc.RpcError: the call failed; `faults.request_error` says what it means for a caller.
        """
        request = predict_request(inputs, signature, self.model_name)
        reply = self.stub.Predict(request, timeout_seconds)
        return {name: to_array(tensor) for name, tensor in reply.outputs.items()}

    def predict_many(
        self,
        batches: Iterable[Mapping[str, object]],
        signature: Signature,
        in_flight: int = 4,
        timeout_seconds: float = PREDICT_TIMEOUT_SECONDS,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
        on_progress: Callable[[int], None] = lambda answered: None,
    ) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """Run one Predict for each batch, several at a time; answers come in the order of the batches.

        ``batches`` is read only as far ahead as calls are in flight, so it may be endless.

        Args:
            batches: the inputs of each Predict, as :meth:`predict` takes them.
            signature: the signature to call.
            in_flight: how many calls the server gets at once.
            timeout_seconds: how long it may take for each.
            patience_seconds: how long a call is repeated while the server is unavailable.
            on_progress: called with the number of batches answered so far, before each answer is handed out.

        Raises:
            InputRefused: names or element types of a batch do not fit the signature.
            BackendUnavailable: the server was away for longer than ``patience_seconds``.
            RequestError: a Predict failed otherwise; the gRPC error is its cause.
        """
        calls: deque[_Call] = deque()
        try:
            for answered, call in enumerate(self._started(batches, signature, in_flight, timeout_seconds, calls), 1):
                outputs = _finish(call, patience_seconds)
                on_progress(answered)
                yield outputs
        finally:
            for call in calls:
                call.cancel()

    def _started(
        self,
        batches: Iterable[Mapping[str, object]],
        signature: Signature,
        in_flight: int,
        timeout_seconds: float,
        calls: deque[_Call],
    ) -> Iterator[_Call]:
        """Start a call for each batch; hand out the oldest when as many as may be are in flight."""
        for inputs in batches:
            if len(calls) >= in_flight:
                yield calls.popleft()
            request = predict_request(inputs, signature, self.model_name)
            calls.append(_Call(self.stub, request, timeout_seconds))
        while calls:
            yield calls.popleft()

    def model_state(self, timeout_seconds: float) -> ModelState:
        """Ask for the state of the newest version.

        Raises:
            grpc.RpcError: the server does not answer, or has no such model.
        """
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        reply = self._model_service.GetModelStatus(request, timeout_seconds)
        versions = sorted(reply.model_version_status, key=lambda status: status.version)
        if not versions:
            return ModelState(False, "no version")
        available_value = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        newest = versions[-1]
        state_name = get_model_status_pb2.ModelVersionStatus.State.Name(newest.state)
        text = f"version {newest.version} is {state_name}"
        if newest.status.error_message:
            text += f": {newest.status.error_message}"
        return ModelState(any(status.state == available_value for status in versions), text)

    def read_signature(self, timeout_seconds: float) -> Signature:
        """Ask the server for its signatures and choose one.

        Raises:
            SignatureError: none can be chosen.
            grpc.RpcError: the server does not answer.
        """
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        request.model_spec.name = self.model_name
        request.metadata_field.append("signature_def")
        reply = self.stub.GetModelMetadata(request, timeout_seconds)
        signature_map = get_model_metadata_pb2.SignatureDefMap()
        reply.metadata["signature_def"].Unpack(signature_map)
        return choose_signature(signature_map.signature_def, f"model {self.model_name!r} at {self.target}")


class _Call:
    """A Predict that is on its way, and can be sent again."""

    def __init__(self, stub: Any, request: Any, timeout_seconds: float):
        self._stub = stub
        self._request = request
        self._timeout_seconds = timeout_seconds
        self._future: Any = self._send()

    def _send(self) -> Any:
        return self._stub.Predict.future(self._request, self._timeout_seconds)

    def result(self) -> Any:
        """Wait for the reply; after a failure the next call sends the request anew."""
        future, self._future = self._future or self._send(), None
        return future.result()

    def cancel(self) -> None:
        """Give it up."""
        if self._future is not None:
            self._future.cancel()


def _finish(call: _Call, patience_seconds: float) -> dict[str, np.ndarray[Any, Any]]:
    reply = call_patiently(call.result, patience_seconds)
    return {name: to_array(tensor) for name, tensor in reply.outputs.items()}


def predict_request(inputs: Mapping[str, object], signature: Signature, model_name: str) -> Any:
    """Make a PredictRequest.

    Raises:
        InputRefused: a name is unknown to the signature or missing, or an element type does not fit.
    """
    check_names(inputs, signature)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature.name
    tensors = request.inputs
    for name, value in inputs.items():
        set_tensor(tensors[name], value, signature.inputs[name])
    return request


def check_names(inputs: Mapping[str, object], signature: Signature) -> None:
    """Check that there is a value for every input of a signature, and for nothing else.

    Raises:
        InputRefused: a name is unknown or missing.
    """
    if inputs.keys() == signature.inputs.keys():
        return
    given = ", ".join(map(repr, inputs)) or "none"
    wanted = "; ".join(map(str, signature.inputs.values()))
    raise InputRefused(
        f"the package sends the input tensors {given}, but the signature {signature.name!r} takes: {wanted}. "
        "Make _preprocess return exactly these keys."
    )
