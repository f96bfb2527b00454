"""The one error of all storages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOENT

from model_service.errors import ModelServiceError


class StorageError(ModelServiceError):
    """A file or folder cannot be read or written; the message says which and why."""


@contextmanager
def said_plainly(location: str, deed: str) -> Iterator[None]:
    """Turn whatever is raised in a ``with`` block into a StorageError that names the location.

    Each storage library has errors of its own, of any class.

    Args:
        location: what was worked on.
        deed: what could not be done, as in "cannot be read".
    """
    try:
        yield
    except ModelServiceError:
        raise
    except Exception as error:
        raise StorageError(f"{location}: cannot be {deed}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, FileNotFoundError):
        return os.strerror(ENOENT)
    return f"{type(error).__name__}: {error}"
