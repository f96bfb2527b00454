"""What is written down of an item that has no answer: for the package's author, and the same in every run."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import grpc

from model_service.errors import ModelServiceError, RequestError
from model_service.inference.pipeline import summary

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_MAX_CHARACTERS = 1000


def describe(error: BaseException, run_folder: Path) -> str:
    """Say why an item failed: the reason, and the place in the package where a hook raised it.

    Args:
        error: what was raised.
        run_folder: where the package believes to live; its path, which is another in each run, is left out.
    """
    cause = error.__cause__ if isinstance(error, RequestError) and error.detail is None else None
    if isinstance(error, RequestError) and error.violations:
        text = f"{error}: {summary(error.violations)}"
    elif isinstance(cause, grpc.Call):
        text = f"the model server refuses it: {cause.code().name}: {cause.details()}"
    elif cause is not None:
        text = f"{type(cause).__name__}: {cause}{_place(cause, run_folder)}"
    elif isinstance(error, ModelServiceError):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    text = _ADDRESS.sub("", text.replace(f"{run_folder}/", ""))
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 3] + "..."


def _place(cause: BaseException, run_folder: Path) -> str:
    """The innermost line of the package's own code, as `` (customize_service.py:12)``."""
    for frame in reversed(traceback.extract_tb(cause.__traceback__)):
        if Path(frame.filename).is_relative_to(run_folder):
            return f" ({Path(frame.filename).name}:{frame.lineno})"
    return ""
