"""What comes back from a service: a reply, or why there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from model_service.errors import ModelServiceError

_SHOWN_CHARACTERS = 200


class ServiceUnreachable(ModelServiceError):
    """The service does not answer."""


class AnswerTimedOut(ServiceUnreachable):
    """The service did not answer in time; it may still be at work."""


@dataclass(frozen=True)
class Reply:
    """What the service answered.

    Attributes:
        status: HTTP status.
        headers: lower-case names.
        body: the raw body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body.

        Raises:
            json.JSONDecodeError: it is no JSON.
        """
        return json.loads(self.body)

    def answer(self) -> Any:
        """Return the parsed body of a reply with status 200.

        Raises:
            PredictionFailed: the status is another, or the body is no JSON.
        """
        if self.status != HTTPStatus.OK:
            raise PredictionFailed(self)
        try:
            return self.json()
        except ValueError as error:
            raise PredictionFailed(self) from error


class PredictionFailed(ModelServiceError):
    """The service answered, but not with a prediction.

    What the service did not say is None, or empty.

    Attributes:
        reply: the whole answer.
        status: HTTP status: 4xx, the input is at fault; 5xx, the package, the model server or the load; 200, the answer
            is no JSON.
        erno: the error number, for example ``MR.0101``.
        msg: what the number means.
        detail: what was wrong with this input.
        violations: where the input (400) or the result (500) breaks the contract; each with the keys ``pointer``,
            ``expected`` and ``got``.
        request_id: finds the request in the log of the service.
        retry_after_seconds: when the service asks to try again.
    """

    def __init__(self, reply: Reply):
        told = _told(reply)
        self.reply = reply
        self.status = reply.status
        self.erno = _text(told.get("erno"))
        self.msg = _text(told.get("msg"))
        self.detail = _text(told.get("detail"))
        self.request_id = _text(told.get("request_id")) or reply.headers.get("x-request-id")
        self.violations = _violations(told.get("violations"))
        retry_after = reply.headers.get("retry-after", "")
        self.retry_after_seconds = int(retry_after) if retry_after.isdecimal() else None
        super().__init__(self._message())

    def _message(self) -> str:
        reason = ": ".join(text for text in (self.msg, self.detail) if text)
        if not reason:
            shown = self.reply.body[:_SHOWN_CHARACTERS].decode("utf-8", "replace")
            reason = f"the answer is {shown!r}" if shown else "the answer is empty"
        places = "".join(f"; {place['pointer']}: expected {place['expected']}" for place in self.violations)
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"status {self.status}{f', {self.erno}' if self.erno else ''}: {reason}{places}{request}"


def _told(reply: Reply) -> Mapping[str, Any]:
    """The object in the body, or nothing: a proxy in front of the service answers as it likes."""
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _violations(value: object) -> tuple[Mapping[str, str], ...]:
    if not isinstance(value, list):
        return ()
    keys = {"pointer", "expected", "got"}
    return tuple(
        {key: str(place[key]) for key in sorted(keys)}
        for place in value
        if isinstance(place, dict) and keys <= place.keys()
    )
