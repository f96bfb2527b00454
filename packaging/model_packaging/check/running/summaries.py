"""Summaries of what hooks return, made of copies: no reference to the author's values is kept."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

_SAMPLE_VALUES = 4096
_MAX_NAMES = 100


def summarise_all(value: object) -> dict[str, dict[str, Any]]:
    """Summarise the arrays of a dict, or one array under the name ""; what is neither is left out.

    Returns:
        The fields of :class:`TensorSummary` in JSON types, by name.
    """
    named = value if isinstance(value, Mapping) else {"": value}
    found = {}
    for name, item in list(named.items())[:_MAX_NAMES]:
        summary = _summarise(item)
        if summary is not None:
            found[str(name)] = summary
    return found


def _summarise(value: object) -> dict[str, Any] | None:
    if not isinstance(value, np.ndarray | np.generic | list | tuple | int | float | bool):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # rows of different length
        return None
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        return _described(array, value, np.zeros(0))
    flat = array.ravel()
    step = max(1, -(-flat.size // _SAMPLE_VALUES))
    return _described(array, value, flat[::step].astype(np.float64))


def _described(array: np.ndarray[Any, Any], value: object, sample: np.ndarray[Any, Any]) -> dict[str, Any]:
    is_number = array.dtype.kind in "biuf" and array.size > 0
    finite = array[np.isfinite(array)] if is_number else array[:0] if array.ndim else np.zeros(0)
    content = array.tobytes() if array.dtype.kind != "O" else repr(array.tolist()).encode("utf-8", "replace")
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "is_array": isinstance(value, np.ndarray | np.generic),
        "minimum": float(finite.min()) if is_number and finite.size else 0.0,
        "maximum": float(finite.max()) if is_number and finite.size else 0.0,
        "is_finite": not is_number or finite.size == array.size,
        "digest": hashlib.sha256(content).hexdigest(),
        "sample": base64.b64encode(sample.tobytes()).decode("ascii"),
    }
