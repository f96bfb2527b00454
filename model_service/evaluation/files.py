"""Writing files so that each is there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from model_service.evaluation.errors import EvaluationError


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        EvaluationError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "is there and is no folder" if folder.exists() else f"cannot be made: {error.strerror}"
        raise EvaluationError(f"{folder}: {reason}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Put a file in place of the one that may be there, which stays as it is until then; keeps its permissions.

    Raises:
        EvaluationError: it cannot be written.
    """
    path = path.resolve()
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        else:
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        raise EvaluationError(f"{path}: cannot be written: {error.strerror}") from error


def remove(path: Path) -> None:
    """Remove a file if it is there.

    Raises:
        EvaluationError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be removed: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
