"""Arrays in ``.npy`` files, loaded without pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_service.evaluation.class_names import class_name
from model_service.evaluation.errors import EvaluationError

_MAGIC = b"\x93NUMPY"


def first_bytes(path: Path, count: int) -> bytes:
    """Return the first bytes of a file, fewer if it is shorter.

    Raises:
        EvaluationError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror}") from error


def is_array_file(path: Path) -> bool:
    """Whether a file begins like an ``.npy`` file; one that is named so and does not is refused.

    Raises:
        EvaluationError: unreadable, or no array in spite of its name.
    """
    if first_bytes(path, len(_MAGIC)) == _MAGIC:
        return True
    if path.suffix in (".npy", ".npz"):
        raise EvaluationError(f"{path}: no array as numpy.save writes it. Save one array with numpy.save.")
    return False


def load_array(path: Path) -> NDArray[Any]:
    """Load an ``.npy`` file.

    Raises:
        EvaluationError: unreadable, damaged, or holding Python objects, which are never unpickled.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, MemoryError, OverflowError, SyntaxError) as error:
        raise EvaluationError(
            f"{path}: cannot be loaded: {error}. Save plain numbers with numpy.save; Python objects are not read."
        ) from error
    if not isinstance(array, np.ndarray):
        raise EvaluationError(f"{path}: holds several arrays. Save one array with numpy.save.")
    return array


def names_in_array(array: NDArray[Any]) -> tuple[str, ...] | None:
    """Return the classes in an array of integers or texts of shape [N] or [N, 1]; None for any other array."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        return None
    names = [class_name(value) for value in array.tolist()]
    known = tuple(name for name in names if name is not None)
    return known if len(known) == len(names) else None
