"""Every error this project raises on purpose, in one tree.

Three families, so that blame is never in doubt:

- :class:`PackageError`, :class:`SettingsError`: the package or the command line is wrong; nothing starts.
- :class:`RequestError` and below with a 4xx status: the request is wrong.
- :class:`RequestError` and below with a 5xx status: the author's code, the model server or the load is.

A :class:`RequestError` knows its HTTP status and its ``erno``, the error number callers of ModelArts know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

# erno -> msg. The first two pairs are the original runtime's, the others are ours.
ERNO_MESSAGES: Mapping[str, str] = {
    "MR.0101": "The input parameter is invalid",
    "MR.0105": "Recognition failed",
    "MR.0106": "The service is temporarily unavailable",
    "MR.0107": "The request took too long",
}


class ModelServiceError(Exception):
    """Base of every error raised on purpose."""


class SettingsError(ModelServiceError):
    """A flag, an environment variable or a path on the command line is unusable. Exit status 2."""


class PackageError(ModelServiceError):
    """The package is wrong: it cannot be read, loaded or served as it is. Exit status 2."""


@dataclass(frozen=True)
class Violation:
    """One place where a value breaks the declared contract.

    ``pointer`` is an RFC 6901 JSON pointer into the value ("" is the value itself).
    """

    pointer: str
    keyword: str
    expected: str
    got: str

    def as_json(self) -> dict[str, str]:
        """Return the three keys that error bodies carry."""
        return {"pointer": self.pointer, "expected": self.expected, "got": self.got}


class RequestError(ModelServiceError):
    """One request failed; the server goes on.

    ``detail`` goes to the caller and must hold nothing the caller may not see.
    """

    status: int = int(HTTPStatus.INTERNAL_SERVER_ERROR)
    erno: str = "MR.0105"
    retry_after_seconds: int | None = None

    def __init__(self, detail: str | None = None, violations: Sequence[Violation] = ()):
        super().__init__(detail or ERNO_MESSAGES[self.erno])
        self.detail = detail
        self.violations = tuple(violations)


class BadRequest(RequestError):
    """The caller's fault, told to the caller.

    Authors raise it from a hook: ``raise BadRequest("side must be left or right", status=422)``.
    """

    status = int(HTTPStatus.BAD_REQUEST)
    erno = "MR.0101"

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST, violations: Sequence[Violation] = ()):
        if not 400 <= status <= 499:
            raise ValueError(f"BadRequest takes a status from 400 to 499, not {status}")
        super().__init__(message, violations)
        self.status = int(status)


class HookFailed(RequestError):
    """A hook of the package raised, or made something that cannot be sent or answered.

    ``status`` 400 for KeyError and TypeError (the original runtime's rule), else 500. The cause is chained.
    """

    def __init__(self, status: int = HTTPStatus.INTERNAL_SERVER_ERROR):
        super().__init__()
        self.status = int(status)


class InputRefused(ModelServiceError):
    """What the package wants to send does not fit the model's signature. Answered as a failed hook, 500."""


class ResponseContractBroken(RequestError):
    """The package's answer breaks its own response schema, and the response mode is strict."""

    def __init__(self, violations: Sequence[Violation]):
        super().__init__(None, violations)


class Overloaded(RequestError):
    """More requests than the queue holds."""

    status = int(HTTPStatus.SERVICE_UNAVAILABLE)
    erno = "MR.0106"
    retry_after_seconds = 1


class BackendUnavailable(RequestError):
    """The model server is down, starting or restarting."""

    status = int(HTTPStatus.SERVICE_UNAVAILABLE)
    erno = "MR.0106"
    retry_after_seconds = 1


class DeadlinePassed(RequestError):
    """The model server or a hook took longer than the request may take."""

    status = int(HTTPStatus.GATEWAY_TIMEOUT)
    erno = "MR.0107"
