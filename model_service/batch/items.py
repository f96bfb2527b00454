"""What flows through a batch run: items in, in batches; a result for each out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np


@dataclass(frozen=True)
class FileContent:
    """A file that is read where the item is worked on."""

    location: str


@dataclass(frozen=True)
class RowContent:
    """A row of an array, of any shape and element type."""

    row: np.ndarray[Any, Any]


@dataclass(frozen=True)
class ValueContent:
    """A JSON value."""

    value: Any


@dataclass(frozen=True)
class CellsContent:
    """A row of a CSV file."""

    cells: tuple[str, ...]


@dataclass(frozen=True)
class BrokenContent:
    """An item that could not be read; the reason is its result."""

    reason: str


Content = FileContent | RowContent | ValueContent | CellsContent | BrokenContent


@dataclass(frozen=True)
class Item:
    """One thing to answer.

    Attributes:
        index: its place in the whole input, from 0.
        source: what it is called in the output: a relative path, or ``file#row``.
    """

    index: int
    source: str
    content: Content


@dataclass(frozen=True)
class Batch:
    """Items kB to (k+1)B - 1 of the input, for a batch size B and this number k (design D14)."""

    number: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class BatchResult:
    """The results of one batch.

    Attributes:
        number: the batch's.
        items: how many it had.
        failed: how many of them have no answer.
        lines: one JSON line per item, in order; see :func:`model_service.batch.lines.answer_line`.
        arrays: instead of answers in ``lines``: outputs by name, a row per item.
        first_failures: source and reason of some that failed, for people to look at.
    """

    number: int
    items: int
    failed: int
    lines: bytes
    arrays: Mapping[str, np.ndarray[Any, Any]] | None = None
    first_failures: tuple[tuple[str, str], ...] = field(default=())


def in_batches(items: Iterable[Item], batch_size: int, first_number: int) -> Iterator[Batch]:
    """Cut items, of which the first belongs to batch ``first_number``, into batches; the last may be smaller."""
    remaining = iter(items)
    number = first_number
    while chunk := tuple(islice(remaining, batch_size)):
        yield Batch(number, chunk)
        number += 1
