"""Answers that are numbers, as one .npy file with a row per item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model_service.batch.formats import UNFINISHED
from model_service.batch.lines import SUCCESSFUL, read_lines
from model_service.errors import SettingsError

ARRAY_NAME = "predictions.npy"

Array = np.ndarray[Any, Any]


def write_array(lines: Path, destination: Path, count: int) -> list[Path]:
    """Write ``predictions.npy``: int64 or float64 [count, ...]; failed items are NaN, or -1 among integers.

    Truth values become 0 and 1.

    Raises:
        SettingsError: the answers are no numbers, or differ in shape; the message names the item.
        OSError: it cannot be written.
    """
    shape, kind = _shape_and_kind(lines)
    missing = np.full(shape, np.nan if kind.kind == "f" else -1, kind).tobytes()
    path = destination / ARRAY_NAME
    unfinished = destination / f"{ARRAY_NAME}{UNFINISHED}"
    with unfinished.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file,
            {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": (count, *shape)},
        )
        for entry in read_lines(lines):
            file.write(np.array(entry["answer"], kind).tobytes() if entry["result"] == SUCCESSFUL else missing)
    return [unfinished.rename(path)]


def _shape_and_kind(lines: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """What all answers have in common."""
    shape: tuple[int, ...] | None = None
    kind = np.dtype(np.int64)
    for entry in read_lines(lines):
        if entry["result"] != SUCCESSFUL:
            continue
        row = _numbers(entry)
        if shape is None:
            shape = row.shape
        if row.shape != shape:
            raise _refused(entry, f"has the shape {list(row.shape)}, those before have {list(shape)}")
        kind = np.promote_types(kind, row.dtype)
    return (shape, kind) if shape is not None else ((), np.dtype(np.float64))


def _numbers(entry: dict[str, Any]) -> Array:
    """The answer as int64 or float64."""
    try:
        row = np.array(entry["answer"])
    except ValueError:  # rows of different lengths
        row = np.array(None)
    if row.dtype.kind not in "iufb":
        raise _refused(entry, "is not made of numbers; name the part that is with --select")
    return row.astype(np.int64 if row.dtype.kind in "ib" else np.float64)


def _refused(entry: dict[str, Any], what: str) -> SettingsError:
    return SettingsError(
        f"--format npy: the answer of item {entry['item']} ({entry['source']}) {what}. Nothing is lost: run the same "
        "command again with --format jsonl"
    )
