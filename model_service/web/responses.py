"""Every answer the service gives, good or bad, as bytes; no framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model_service.errors import ERNO_MESSAGES, RequestError
from model_service.inference.json_types import encode_json
from model_service.inference.pipeline import Answer, summary

_JSON = "application/json"


@dataclass(frozen=True)
class Response:
    """Status, body and the headers besides Content-Length and Date."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": _JSON})


def answer_response(answer: Answer, request_id: str) -> Response:
    """Encode a result.

    Raises:
        NotJson: it holds text that cannot be encoded.
    """
    headers = {"Content-Type": _JSON, "X-Request-Id": request_id}
    if answer.violations:
        headers["X-Contract-Violation"] = _header_safe(summary(answer.violations))
    return Response(200, encode_json(answer.value), headers)


def error_response(error: RequestError, request_id: str) -> Response:
    """Encode an error: the original's three keys, ``request_id``, and what the caller may know of the cause."""
    body: dict[str, Any] = {
        "erno": error.erno,
        "msg": ERNO_MESSAGES[error.erno],
        "words_result": {},
        "request_id": request_id,
    }
    if error.detail is not None:
        body["detail"] = error.detail
    if error.violations:
        body["violations"] = [violation.as_json() for violation in error.violations]
    headers = {"Content-Type": _JSON, "X-Request-Id": request_id}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return json_response(error.status, body, headers)


def json_response(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """Encode a body of our own making."""
    encoded = json.dumps(body, ensure_ascii=True).encode()
    return Response(status, encoded, headers or {"Content-Type": _JSON})


def _header_safe(text: str) -> str:
    """Headers carry printable ASCII; pointers may hold anything the package named its fields."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)
