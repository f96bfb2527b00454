"""One model on one model server, over gRPC: Predict, its signature, its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np

from model_service.errors import (
    BackendUnavailable,
    DeadlinePassed,
    HookFailed,
    InputRefused,
    RequestError,
)
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
            grpc.RpcError: the call failed; :func:`request_error` says what it means for a caller.
        """
        request = predict_request(inputs, signature, self.model_name)
        reply = self.stub.Predict(request, timeout_seconds)
        return {name: to_array(tensor) for name, tensor in reply.outputs.items()}

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


def predict_request(inputs: Mapping[str, object], signature: Signature, model_name: str) -> Any:
    """Make a PredictRequest.

    Raises:
        InputRefused: a name is unknown to the signature or missing, or an element type does not fit.
    """
    if inputs.keys() != signature.inputs.keys():
        raise _wrong_names(inputs, signature)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature.name
    tensors = request.inputs
    for name, value in inputs.items():
        set_tensor(tensors[name], value, signature.inputs[name])
    return request


def _wrong_names(inputs: Mapping[str, object], signature: Signature) -> InputRefused:
    given = ", ".join(map(repr, inputs)) or "none"
    wanted = "; ".join(map(str, signature.inputs.values()))
    return InputRefused(
        f"the package sends the input tensors {given}, but the signature {signature.name!r} takes: {wanted}. "
        "Make _preprocess return exactly these keys."
    )


def request_error(error: grpc.RpcError) -> RequestError:
    """Say what a failed gRPC call means for the caller of the service."""
    code = error.code() if isinstance(error, grpc.Call) else None
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        return BackendUnavailable("the model server is not reachable")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlinePassed("the model server took too long")
    if code is grpc.StatusCode.NOT_FOUND:
        return BackendUnavailable("the model server has no such model")
    return HookFailed()
