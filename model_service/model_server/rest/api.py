"""The routes of the REST API: a method, a path and a body to a status and a body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from google.protobuf.json_format import MessageToDict, MessageToJson

from model_service.model_server.core import ServerCore
from model_service.model_server.messages import (
    ClassificationRequest,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    ModelSpec,
    RegressionRequest,
    SignatureDefMap,
)
from model_service.model_server.rest import json_examples, json_tensors, json_text
from model_service.model_server.status import Code, ServingError

_MODEL = r"/([^/:]+)"
_VERSION = r"(?:(?:/versions/([0-9]+))|(?:/labels/([^/:]+)))?"
_PREDICTION_ROUTE = re.compile(rf"/v1/models{_MODEL}{_VERSION}:(classify|regress|predict)", re.IGNORECASE)
_STATUS_ROUTE = re.compile(rf"/v1/models(?:{_MODEL})?{_VERSION}(?:/(metadata))?", re.IGNORECASE)
_API_PREFIX = "/v1/"
_MAX_VERSION = 2**63 - 1
_JSON = "application/json"
_SIGNATURE_FIELD = "signature_def"

HTTP_STATUSES: Mapping[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


@dataclass(frozen=True)
class RestResponse:
    """Status, body and headers of an answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": _JSON})


def error_response(error: ServingError) -> RestResponse:
    """Tell a refusal the way the real server does."""
    return RestResponse(HTTP_STATUSES[error.code], json_text.encode_error(error.message))


class RestApi:
    """The REST API over a core."""

    def __init__(self, core: ServerCore):
        self._core = core

    def answer(self, method: str, path: str, body: bytes) -> RestResponse:
        """Answer one request.

        Args:
            method: of HTTP, in capitals.
            path: still percent-encoded, without the query.
            body: as it came.

        Raises:
            ServingError: it is refused.
        """
        if not path.lower().startswith(_API_PREFIX):
            return RestResponse(404, json_text.encode_error("Not Found"))
        if method == "POST" and (route := _PREDICTION_ROUTE.fullmatch(path)):
            name, version, label, verb = route.groups()
            answer = getattr(self, f"_{verb.lower()}")
            return RestResponse(200, answer(_model_spec(name, version, label), json_text.parse_object(body)))
        if method == "GET" and (route := _STATUS_ROUTE.fullmatch(path)):
            name, version, label, metadata = route.groups()
            if name is None:
                raise ServingError(Code.INVALID_ARGUMENT, "Missing model name in request.")
            spec = _model_spec(name, version, label)
            return RestResponse(200, self._metadata(spec) if metadata else self._status(spec))
        raise ServingError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")

    def _predict(self, spec: Any, document: Mapping[str, Any]) -> bytes:
        _fill_signature(spec, document)
        outputs = self._core.predict_arrays(spec, lambda signature: json_tensors.read_tensors(document, signature))
        return json_tensors.write_tensors(json_tensors.form_of(document), outputs)

    def _classify(self, spec: Any, document: Mapping[str, Any]) -> bytes:
        request = ClassificationRequest(model_spec=spec)
        _fill_signature(request.model_spec, document)
        json_examples.fill_input(document, request.input)
        return json_examples.write_classifications(self._core.classify(request).result)

    def _regress(self, spec: Any, document: Mapping[str, Any]) -> bytes:
        request = RegressionRequest(model_spec=spec)
        _fill_signature(request.model_spec, document)
        json_examples.fill_input(document, request.input)
        return json_examples.write_regressions(self._core.regress(request).result)

    def _status(self, spec: Any) -> bytes:
        response = self._core.get_model_status(GetModelStatusRequest(model_spec=spec))
        return MessageToJson(
            response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        ).encode()

    def _metadata(self, spec: Any) -> bytes:
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=[_SIGNATURE_FIELD])
        response = self._core.get_model_metadata(request)
        signatures = SignatureDefMap()
        response.metadata[_SIGNATURE_FIELD].Unpack(signatures)
        described = {
            "model_spec": _described(response.model_spec),
            "metadata": {_SIGNATURE_FIELD: _described(signatures)},
        }
        return json.dumps(described, indent=1).encode()


def _described(message: Any) -> Any:
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _model_spec(name: str, version: str | None, label: str | None) -> Any:
    spec = ModelSpec(name=unquote(name))
    if version is not None:
        if int(version[:20]) > _MAX_VERSION:
            raise ServingError(Code.INVALID_ARGUMENT, f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    elif label is not None:
        spec.version_label = unquote(label)
    return spec


def _fill_signature(spec: Any, document: Mapping[str, Any]) -> None:
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"JSON Value: {json_text.shown(document)} not formatted correctly. 'signature_name' key must be a string "
            "value.",
        )
    spec.signature_name = name
