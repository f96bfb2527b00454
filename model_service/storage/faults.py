"""The errors of all storages."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from model_service.errors import ModelServiceError

# What is wrong with the way to a file, or with this machine, and may be over later.
_PASSING = frozenset(
    {
        *(errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBUSY),
        *(errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
        *(errno.ECONNREFUSED, errno.ECONNRESET),
    }
)
_NO_ANSWER_FROM_S3 = "botocore.exceptions.BotoCoreError"


class StorageError(ModelServiceError):
    """A file or folder cannot be read or written; the message says which and why."""


class StorageUnavailable(StorageError):
    """The storage does not answer, or this machine has run out of something: it says nothing about the file."""


@contextmanager
def said_plainly(location: str, deed: str) -> Iterator[None]:
    """Turn whatever is raised in a ``with`` block into a StorageError that names the location.

    Each storage library has errors of its own, of any class. Those that say nothing about the file become
    StorageUnavailable.

    Args:
        location: what was worked on.
        deed: what could not be done, as in "cannot be read".
    """
    try:
        yield
    except ModelServiceError:
        raise
    except Exception as error:
        outage = _outage(error)
        kind = StorageError if outage is None else StorageUnavailable
        raise kind(f"{location}: cannot be {deed}: {_reason(outage or error)}") from error


def _outage(error: BaseException | None) -> BaseException | None:
    """What of an error and its causes may be over later: a library may say "not found" because nobody answered."""
    while error is not None and not _is_passing(error):
        error = error.__cause__
    return error


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, ConnectionError | TimeoutError) or getattr(error, "errno", None) in _PASSING:
        return True
    return any(f"{kind.__module__}.{kind.__qualname__}" == _NO_ANSWER_FROM_S3 for kind in type(error).__mro__)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, FileNotFoundError):
        return os.strerror(errno.ENOENT)
    return f"{type(error).__name__}: {error}"
