"""The worst mistakes as a picture: wrong answers given with the highest scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model_service.evaluation.class_names import fitted, width
from model_service.evaluation.drawing import new_figure, plain_text
from model_service.evaluation.item_pictures import PictureOf, Pixels
from model_service.evaluation.joining import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_MISTAKES = 25
_PER_ROW = 5
_TILE_INCHES = 1.9
_LINE_INCHES = 0.16
_LINE_COLUMNS = 25
_FONT = 8.0


@dataclass(frozen=True)
class Mistake:
    """A wrong answer: the position of the item, both classes, and the score of the wrong one if there is one."""

    item: int
    true: str
    predicted: str
    score: float | None

    @property
    def title(self) -> str:
        """``7 -> 1 (0.98)``, on two lines if the names are long."""
        score = "" if self.score is None else f" ({self.score:.2f})"
        line = f"{fitted(self.true, _LINE_COLUMNS)} -> {fitted(self.predicted, _LINE_COLUMNS)}{score}"
        if width(line) <= _LINE_COLUMNS:
            return line
        room = _LINE_COLUMNS - width(f"-> {score}")
        return f"{fitted(self.true, _LINE_COLUMNS)}\n-> {fitted(self.predicted, room)}{score}"


def worst_mistakes(comparison: Comparison, most: int = _MOST_MISTAKES) -> list[Mistake]:
    """Return the wrong answers with the highest score for the wrong class, highest first; without scores the first."""
    wrong = comparison.wrong_answers
    scores = np.full(len(wrong), np.nan)
    if comparison.scores is not None:
        predicted = [comparison.classes[position] for position in comparison.predicted]
        scores = comparison.scores.of_classes(predicted)[wrong]
    order = np.argsort(-np.where(np.isnan(scores), -np.inf, scores), kind="stable")[:most]
    return [
        Mistake(
            int(item),
            comparison.classes[comparison.truth[item]],
            comparison.classes[comparison.predicted[item]],
            None if math.isnan(score) else float(score),
        )
        for item, score in zip(wrong[order], scores[order], strict=True)
    ]


def mistakes_figure(mistakes: Sequence[Mistake], picture_of: PictureOf) -> Figure:
    """Draw at least one mistake; an item without a picture gets an empty tile that says so."""
    columns = min(_PER_ROW, len(mistakes))
    rows = math.ceil(len(mistakes) / columns)
    with plain_text():
        title_lines = max(mistake.title.count("\n") + 1 for mistake in mistakes)
        tile_height = _TILE_INCHES + title_lines * _LINE_INCHES
        figure = new_figure(columns * _TILE_INCHES, rows * tile_height)
        for place, mistake in enumerate(mistakes):
            row, column = divmod(place, columns)
            left, width = (column + 0.05) / columns, 0.9 / columns
            bottom, height = 1 - (row + 1) / rows, 0.9 * _TILE_INCHES / (rows * tile_height)
            axes = figure.add_axes((left, bottom, width, height), anchor="N")
            _draw_tile(axes, picture_of(mistake.item))
            axes.set_title(mistake.title, fontsize=_FONT, pad=3)
    return figure


def _draw_tile(axes: Axes, picture: Pixels | None) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    if picture is None:
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", fontsize=_FONT, color="gray")
    else:
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
