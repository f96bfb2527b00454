"""The gRPC services: each method decodes, asks the core, encodes; one place turns refusals into gRPC statuses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from model_service.model_server.core import ServerCore
from model_service.model_server.messages import (
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    MultiInferenceRequest,
    PredictRequest,
    RegressionRequest,
    ReloadConfigRequest,
)
from model_service.model_server.own_messages import ProfileRequest
from model_service.model_server.profiler import Profiler
from model_service.model_server.status import ServingError

_log = logging.getLogger(__name__)

_STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}
# grpcio cuts nothing, but HTTP/2 peers refuse headers beyond 8 KiB; the text goes percent-encoded into one.
_MAX_TEXT_CHARACTERS = 2048


class CallCounter:
    """Counts calls, roughly: two threads that count at the same moment may count one."""

    def __init__(self) -> None:
        self.calls = 0


def add_services(server: grpc.Server, core: ServerCore, counter: CallCounter) -> None:
    """Register PredictionService and ModelService on a server that has not started."""
    handler = partial(_counting_handler, counter)
    prediction = {
        "Predict": handler(core.predict, PredictRequest),
        "Classify": handler(core.classify, ClassificationRequest),
        "Regress": handler(core.regress, RegressionRequest),
        "MultiInference": handler(core.multi_inference, MultiInferenceRequest),
        "GetModelMetadata": handler(core.get_model_metadata, GetModelMetadataRequest),
    }
    model = {
        "GetModelStatus": handler(core.get_model_status, GetModelStatusRequest),
        "HandleReloadConfigRequest": _waiting_handler(core.reload_config, ReloadConfigRequest),
    }
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", prediction),
            grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", model),
        )
    )


def add_profiler_service(server: grpc.Server, log_directory: str) -> None:
    """Register ``tensorflow.ProfilerService`` on a server that has not started.

    Args:
        server: the server.
        log_directory: where traces are kept; empty: nowhere.
    """
    profiler = Profiler(log_directory)
    methods = {
        "Profile": _waiting_handler(profiler.profile, ProfileRequest),
        "Terminate": grpc.unary_unary_rpc_method_handler(lambda content, context: profiler.terminate(content)),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tensorflow.ProfilerService", methods),))


def _counting_handler(
    counter: CallCounter, answer: Callable[[Any], Any], request_type: Any
) -> grpc.RpcMethodHandler[Any, Any]:
    read = request_type.FromString

    def handle(content: bytes, context: grpc.ServicerContext) -> Any:
        counter.calls += 1
        try:
            return answer(read(content))
        except Exception as error:  # a bad request must never end the server  # noqa: BLE001
            _refuse(error, request_type, context)

    return grpc.unary_unary_rpc_method_handler(handle, response_serializer=_serialize)


def _waiting_handler(
    answer: Callable[[Any, Callable[[], bool]], Any], request_type: Any
) -> grpc.RpcMethodHandler[Any, Any]:
    """Make the handler of a method that may wait for long, and asks whether its caller is still there."""

    def handle(content: bytes, context: grpc.ServicerContext) -> Any:
        try:
            return answer(request_type.FromString(content), context.is_active)
        except Exception as error:  # a bad request must never end the server  # noqa: BLE001
            _refuse(error, request_type, context)

    return grpc.unary_unary_rpc_method_handler(handle, response_serializer=_serialize)


def _refuse(error: Exception, request_type: Any, context: grpc.ServicerContext) -> NoReturn:
    if isinstance(error, ServingError):
        context.abort(_STATUS_CODES[int(error.code)], error.message[:_MAX_TEXT_CHARACTERS])
    if isinstance(error, DecodeError):
        context.abort(grpc.StatusCode.INTERNAL, f"the request is no {request_type.DESCRIPTOR.full_name}")
    _log.error("%s failed", request_type.__name__, exc_info=error)
    context.abort(grpc.StatusCode.INTERNAL, "internal error")


def _serialize(response: Any) -> bytes:
    content: bytes = response.SerializeToString()
    return content
