"""The gRPC services: PredictionService (Predict, GetModelMetadata), ModelService (GetModelStatus), health."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import tensorflow as tf
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from model_service.model_server.engine import LoadedModel
from model_service.model_server.tensors import fill_proto, to_feed
from model_service.tfs.signature import DEFAULT_SIGNATURE

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class _Refused(Exception):
    """A call that cannot be answered: its status code, and the text for the caller."""

    def __init__(self, code: grpc.StatusCode, text: str):
        super().__init__(text)
        self.code = code
        self.text = text


class ServedModel:
    """A loaded model under its name and version."""

    def __init__(self, name: str, version: int, model: LoadedModel, as_tensor_content: bool):
        self.name = name
        self.version = version
        self._model = model
        self._as_tensor_content = as_tensor_content

    def check_spec(self, spec: Any) -> None:
        """Raise what the real server answers when a ModelSpec names another model or version."""
        if spec.name != self.name:
            wanted = (
                f"Specific({spec.name}, {spec.version.value})" if spec.HasField("version") else f"Latest({spec.name})"
            )
            raise _Refused(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
        if spec.HasField("version") and spec.version.value != self.version:
            wanted = f"Specific({spec.name}, {spec.version.value})"
            raise _Refused(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")

    def predict(self, request: Any) -> Any:
        """Answer a PredictRequest."""
        self.check_spec(request.model_spec)
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = self._model.signatures.get(name)
        if signature is None:
            raise _Refused(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        _check_input_names(request.inputs, signature.inputs)
        outputs = self._outputs(request.output_filter, signature.outputs)
        inputs = [_decode(request.inputs[alias], alias, signature.inputs[alias]) for alias in sorted(signature.inputs)]
        results = self._model.run(name, inputs, outputs)
        reply = predict_pb2.PredictResponse()
        self._fill_spec(reply.model_spec, name)
        for alias, array in zip(outputs, results, strict=True):
            fill_proto(reply.outputs[alias], array, self._as_tensor_content)
        return reply

    def metadata(self, request: Any) -> Any:
        """Answer a GetModelMetadataRequest."""
        self.check_spec(request.model_spec)
        for field in request.metadata_field:
            if field != "signature_def":
                raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Metadata field {field} is not supported")
        if not request.metadata_field:
            raise _Refused(
                grpc.StatusCode.INVALID_ARGUMENT,
                "GetModelMetadataRequest must specify at least one metadata_field",
            )
        signature_map = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self._model.signatures.items():
            signature_map.signature_def[name].CopyFrom(signature)
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        self._fill_spec(reply.model_spec, "")
        reply.metadata["signature_def"].Pack(signature_map)
        return reply

    def status(self, request: Any) -> Any:
        """Answer a GetModelStatusRequest."""
        spec = request.model_spec
        if spec.name != self.name:
            raise _Refused(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        if spec.HasField("version") and spec.version.value != self.version:
            raise _Refused(
                grpc.StatusCode.NOT_FOUND, f"Could not find version {spec.version.value} of model {spec.name}"
            )
        reply = get_model_status_pb2.GetModelStatusResponse()
        version_status = reply.model_version_status.add()
        version_status.version = self.version
        version_status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        version_status.status.SetInParent()
        return reply

    def _fill_spec(self, spec: Any, signature_name: str) -> None:
        spec.name = self.name
        spec.version.value = self.version
        spec.signature_name = signature_name

    @staticmethod
    def _outputs(wanted: Any, outputs: Mapping[str, Any]) -> list[str]:
        for alias in wanted:
            if alias not in outputs:
                raise _Refused(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                    f"{{{','.join(sorted(outputs))}}}.",
                )
        return list(wanted) or sorted(outputs)


def _check_input_names(given: Any, wanted: Mapping[str, Any]) -> None:
    if given.keys() == wanted.keys():
        return
    extra, missing = given.keys() - wanted.keys(), wanted.keys() - given.keys()
    raise _Refused(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"input size does not match signature: {len(given)}!={len(wanted)} len({{{','.join(sorted(given))}}}) != "
        f"len({{{','.join(sorted(wanted))}}}). Sent extra: {{{','.join(sorted(extra))}}}. "
        f"Missing but required: {{{','.join(sorted(missing))}}}.",
    )


def _decode(proto: Any, alias: str, info: Any) -> Any:
    if proto.dtype != info.dtype:
        sent, wanted = (tf.dtypes.as_dtype(number).name if number else "none" for number in (proto.dtype, info.dtype))
        raise _Refused(
            grpc.StatusCode.INVALID_ARGUMENT, f"input tensor {alias}: expects type {wanted} but {sent} is provided"
        )
    try:
        return to_feed(proto)
    except ValueError as error:
        raise _Refused(grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {alias}: {error}") from error


def _guarded(answer: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    """Turn what an answer raises into a gRPC status; a bad request must never end the process."""

    def handle(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return answer(request)
        except _Refused as refused:
            context.abort(refused.code, refused.text)
        except tf.errors.OpError as error:
            context.abort(_CODES.get(error.error_code, grpc.StatusCode.INTERNAL), error.message)

    return handle


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    def __init__(self, model: ServedModel):
        self.Predict = _guarded(model.predict)
        self.GetModelMetadata = _guarded(model.metadata)


class _Model(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    def __init__(self, model: ServedModel):
        self.GetModelStatus = _guarded(model.status)


def add_services(server: grpc.Server, model: ServedModel) -> None:
    """Register every service on a server that has not started."""
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(model), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Model(model), server)
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
