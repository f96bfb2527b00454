"""What a failed gRPC call means."""

from __future__ import annotations

import grpc

from model_service.errors import BackendUnavailable, DeadlinePassed, HookFailed, RequestError


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
