"""What an exception from a request tells, as plain data."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_service.errors import BadRequest

_MAX_TEXT_CHARACTERS = 600


def describe_failure(error: BaseException, phase: str, folders: Sequence[Path]) -> dict[str, Any]:
    """Describe an error that the pipeline raised: the fields of Failure, in JSON types.

    Args:
        error: what the pipeline raised; its cause is what the hook did.
        phase: the hook it came from; "": none.
        folders: those under which the package's files are known, the innermost first.
    """
    cause = error.__cause__ if error.__cause__ is not None else error
    file, line = _place(cause, folders)
    key = cause.args[0] if isinstance(cause, KeyError) and cause.args else ""
    return {
        "phase": phase,
        "kind": _kind(cause),
        "message": _message(cause),
        "file": file,
        "line": line,
        "key": key if isinstance(key, str) else "",
        "is_deliberate": isinstance(error, BadRequest),
    }


def _kind(error: BaseException) -> str:
    code = getattr(error, "code", None)  # of a gRPC error: what the model server says
    name = getattr(code(), "name", "") if callable(code) else ""
    return f"{name} from the model server" if name else type(error).__name__


def _message(error: BaseException) -> str:
    details = getattr(error, "details", None)  # of a gRPC error, whose own text has many lines
    text = details() if callable(details) else str(error)
    try:
        return str(text)[:_MAX_TEXT_CHARACTERS]
    except Exception:  # noqa: BLE001 - whatever the author's __str__ does
        return ""


def _place(error: BaseException, folders: Sequence[Path]) -> tuple[str, int]:
    """The last line of the package's own files that the error passed through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for folder in folders:
            if Path(frame.filename).is_relative_to(folder):
                return Path(frame.filename).relative_to(folder).as_posix(), frame.lineno or 0
    return "", 0
