"""Waits until a model server answers; a process of its own, because a supervisor that forks must not load gRPC.

``python -m model_service.backend.probe TARGET MODEL_NAME SECONDS`` ends with status 0 when the model is AVAILABLE and,
where the shapes of its signature allow it, has answered a Predict made here. Else it prints why not and ends with 1.
"""

from __future__ import annotations

import sys
import time
from math import prod

import grpc
import numpy as np

from model_service.tfs.client import ModelServerClient
from model_service.tfs.dtypes import STRING
from model_service.tfs.signature import Signature, SignatureError, TensorSpec

_CALL_SECONDS = 2.0
_FIRST_PREDICT_SECONDS = 60.0  # a big model compiles at its first call
_PAUSE_SECONDS = 0.02
_MAX_ELEMENTS = 16 * 1024 * 1024
_NOT_ANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


def wait_until_ready(client: ModelServerClient, timeout_seconds: float) -> str | None:
    """Wait for the model; return None when it is ready, else why it is not."""
    deadline = time.monotonic() + timeout_seconds
    reason = "it was not asked"
    while time.monotonic() < deadline:
        try:
            state = client.model_state(_CALL_SECONDS)
            reason = state.text
            if state.available:
                return _try_predict(client)
        except grpc.RpcError as error:
            reason = f"{error.code().name}: {error.details()}" if isinstance(error, grpc.Call) else str(error)
        time.sleep(_PAUSE_SECONDS)
    return reason


def _try_predict(client: ModelServerClient) -> str | None:
    try:
        signature = client.read_signature(_CALL_SECONDS)
        inputs = self_made_inputs(signature)
        if inputs is not None:
            client.predict(inputs, signature, _FIRST_PREDICT_SECONDS)
    except SignatureError:
        return None  # whether one is needed is the package's business
    except grpc.RpcError as error:
        if isinstance(error, grpc.Call) and error.code() in _NOT_ANSWERED:
            return f"a Predict was not answered: {error.details()}"
    return None


def self_made_inputs(signature: Signature) -> dict[str, np.ndarray] | None:
    """Make one row of zeros (of empty strings) for every input; None when a rank is unknown or the row is huge."""
    inputs = {}
    for spec in signature.inputs.values():
        array = _zeros(spec)
        if array is None:
            return None
        inputs[spec.name] = array
    return inputs


def _zeros(spec: TensorSpec) -> np.ndarray | None:
    if spec.shape is None:
        return None
    shape = [1 if size is None else size for size in spec.shape]
    if prod(shape) > _MAX_ELEMENTS:
        return None
    if spec.dtype is STRING:
        return np.full(shape, b"", dtype=object)
    return np.zeros(shape, dtype=np.float32 if spec.dtype.name == "bfloat16" else spec.dtype.numpy)


def main(argv: list[str]) -> int:
    """Probe as told on the command line."""
    target, model_name, seconds = argv
    client = ModelServerClient(target, model_name)
    reason = wait_until_ready(client, float(seconds))
    client.close()
    if reason is None:
        return 0
    print(reason)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
