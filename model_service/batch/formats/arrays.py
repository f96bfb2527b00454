"""Answers that are numbers, as one .npy file with a row per item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model_service.batch.lines import SUCCESSFUL, read_lines
from model_service.errors import SettingsError

ARRAY_NAME = "predictions.npy"


def write_array(lines: Path, destination: Path, count: int) -> list[Path]:
    """Write ``predictions.npy``: int64, float64 or bool [count, ...]; failed items are NaN, or -1 among integers.

    Raises:
        SettingsError: the answers are no numbers, or differ in shape; the message names the item.
        OSError: it cannot be written.
    """
    shape, kind = _shape_and_kind(lines)
    path = destination / ARRAY_NAME
    partial = destination / f"{ARRAY_NAME}.partial"
    rows = np.lib.format.open_memmap(str(partial), mode="w+", dtype=kind, shape=(count, *shape))
    missing = np.nan if kind.kind == "f" else -1
    for entry in read_lines(lines):
        rows[entry["item"]] = entry["answer"] if entry["result"] == SUCCESSFUL else missing
    rows.flush()
    del rows
    return [partial.rename(path)]


def _shape_and_kind(lines: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """What all answers have in common."""
    shape: tuple[int, ...] | None = None
    kind: np.dtype[Any] | None = None
    for entry in read_lines(lines):
        if entry["result"] != SUCCESSFUL:
            continue
        row = _numbers(entry)
        if shape is None or kind is None:
            shape, kind = row.shape, row.dtype
        if row.shape != shape:
            raise _refused(entry, f"has the shape {list(row.shape)}, those before have {list(shape)}")
        kind = np.promote_types(kind, row.dtype)
    return shape or (), kind or np.dtype(np.float64)


def _numbers(entry: dict[str, Any]) -> np.ndarray[Any, Any]:
    try:
        row = np.array(entry["answer"])
    except ValueError:  # rows of different lengths
        row = np.array(None)
    if row.dtype.kind not in "iufb":
        raise _refused(entry, "is not made of numbers; name the part that is with --select")
    return row.astype(np.int64) if row.dtype.kind == "b" else row


def _refused(entry: dict[str, Any], what: str) -> SettingsError:
    return SettingsError(
        f"--format npy: the answer of item {entry['item']} ({entry['source']}) {what}. Nothing is lost: run the same "
        "command again with --format jsonl"
    )
