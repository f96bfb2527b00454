"""Canonical status codes, and the one error that carries a code and a text to the caller of any transport."""

from __future__ import annotations

from enum import IntEnum, unique

from model_service.errors import ModelServiceError


@unique
class Code(IntEnum):
    """The canonical codes: gRPC's, TensorFlow's and absl's numbers are the same."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(ModelServiceError):
    """A request or a load failed: a canonical code, and the text the real server gives with it."""

    def __init__(self, code: Code, message: str):
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"
