"""The confusion matrix as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_service.evaluation.class_names import fitted, width
from model_service.evaluation.drawing import COLUMN_WIDTH, POINTS_PER_INCH, new_figure, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST_CELL, _SMALLEST_CELL = 0.5, 0.2  # inches; below the smallest the whole picture stops growing
_SMALLEST_SIDE, _LARGEST_SIDE = 3.0, 20.0
_LARGEST_FONT, _SMALLEST_FONT = 9.0, 5.0  # points
_NAME_COLUMNS = 28
_FILLED_ENOUGH_FOR_WHITE = 0.55


def confusion_figure(classes: Sequence[str], matrix: NDArray[np.int64], title: str) -> Figure:
    """Draw a matrix, int [K, K] with rows for the truth.

    A cell's colour is its share of its row. Counts are left out where they would not be legible, and of so many names
    that they would overlap every second, third, ... is shown.
    """
    count = len(classes)
    cell = min(_LARGEST_CELL, max(_SMALLEST_CELL, 12 / count))
    side = min(_LARGEST_SIDE, max(_SMALLEST_SIDE, cell * count))
    cell = side / count
    with plain_text():
        figure = new_figure(side, side)
        axes = figure.add_axes((0, 0, 1, 1))
        support = matrix.sum(axis=1, keepdims=True)
        shares = matrix / np.maximum(support, 1)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
        _write_names(axes, classes, cell)
        _write_counts(axes, matrix, shares, cell)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(title, fontsize=_LARGEST_FONT + 1)
        bar = figure.add_axes((1 + 0.2 / side, 0, 0.15 / side, 1))
        figure.colorbar(image, cax=bar, label="share of the items of the true class")
    return figure


def _write_names(axes: Axes, classes: Sequence[str], cell: float) -> None:
    step = max(1, math.ceil(_SMALLEST_FONT * 1.3 / (cell * POINTS_PER_INCH)))
    font = min(_LARGEST_FONT, max(_SMALLEST_FONT, cell * step * POINTS_PER_INCH / 1.6))
    places = range(0, len(classes), step)
    names = [fitted(classes[place], _NAME_COLUMNS) for place in places]
    are_short = all(width(name) * COLUMN_WIDTH * font < cell * step * POINTS_PER_INCH * 0.9 for name in names)
    axes.set_xticks(places, names, rotation=0 if are_short else 90, fontsize=font)
    axes.set_yticks(places, names, fontsize=font)
    if step == 1:  # lines between the cells, to lead the eye from a name to its cell
        between = np.arange(len(classes) + 1) - 0.5
        axes.set_xticks(between, minor=True)
        axes.set_yticks(between, minor=True)
        axes.grid(which="minor", color="lightgray", linewidth=0.4)
        axes.tick_params(which="minor", length=0)


def _write_counts(axes: Axes, matrix: NDArray[np.int64], shares: NDArray[np.float64], cell: float) -> None:
    """Zeros are left blank, so that the mistakes stand out."""
    digits = len(str(matrix.max()))
    font = min(_LARGEST_FONT, cell * POINTS_PER_INCH * 0.85 / (digits * COLUMN_WIDTH), cell * POINTS_PER_INCH * 0.6)
    if font < _SMALLEST_FONT:
        return
    for row, column in np.argwhere(matrix):
        colour = "white" if shares[row, column] > _FILLED_ENOUGH_FOR_WHITE else "black"
        number = str(matrix[row, column])
        text = axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=font)
        text.set_in_layout(False)  # it lies within the axes; thousands of them take seconds to be measured
