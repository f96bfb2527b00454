"""The scores of all items in one table, gathered item by item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ScoreTable:
    """Scores of N items for C classes.

    Attributes:
        classes: the C names of the columns, each once.
        values: float [N, C]; NaN where an item has no score for a class.
    """

    classes: tuple[str, ...]
    values: NDArray[np.floating[Any]]

    def of_classes(self, names: Sequence[str]) -> NDArray[np.floating[Any]]:
        """Return for each item its score for the class named for it: float [N], NaN where it has none."""
        columns = {name: column for column, name in enumerate(self.classes)}
        found = np.array([columns.get(name, -1) for name in names], np.intp)
        picked = self.values[np.arange(len(found)), found]
        return np.where(found < 0, np.nan, picked)


class ScoreTableBuilder:
    """Takes the scores of one item after the other; the classes need not be the same ones, nor in the same order."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._places: dict[tuple[str, ...], NDArray[np.intp]] = {}  # nearly always one entry: all items name the same
        self._rows: list[tuple[NDArray[np.intp], NDArray[np.float64]] | None] = []

    def add(self, classes: tuple[str, ...], scores: Sequence[float]) -> None:
        """Add the next item; both arguments are equally long, and empty for an item without scores."""
        if not classes:
            self._rows.append(None)
            return
        if classes not in self._places:
            numbers = [self._columns.setdefault(name, len(self._columns)) for name in classes]
            self._places[classes] = np.array(numbers, np.intp)
        self._rows.append((self._places[classes], np.array(scores, np.float64)))

    def build(self) -> ScoreTable | None:
        """Return the table; None if no item has scores."""
        if not self._columns:
            return None
        values = np.full((len(self._rows), len(self._columns)), np.nan)
        for number, row in enumerate(self._rows):
            if row is not None:
                values[number, row[0]] = row[1]
        return ScoreTable(tuple(self._columns), values)
