"""Calling a model server again while it is away: a restart must not fail work that can wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from model_service.errors import BackendUnavailable
from model_service.tfs.faults import request_error

Result = TypeVar("Result")

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


def call_patiently(call: Callable[[], Result], patience_seconds: float) -> Result:
    """Call, and call again after growing pauses as long as the model server is unavailable.

    Args:
        call: raises grpc.RpcError, or a RequestError, when it fails; may be called any number of times.
        patience_seconds: for how long it is called again.

    Raises:
        BackendUnavailable: the server was away all that time.
        RequestError: any other failure of the call, at once; the gRPC error is its cause.
    """
    deadline = time.monotonic() + patience_seconds
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except BackendUnavailable as error:
            fault = error
        except grpc.RpcError as error:
            found = request_error(error)
            if not isinstance(found, BackendUnavailable):
                raise found from error
            fault = found
        left = deadline - time.monotonic()
        if left <= 0:
            raise fault
        time.sleep(min(pause_seconds, left))
        pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
