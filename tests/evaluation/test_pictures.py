"""Pictures: what is on them, and that it can be read."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from model_service.errors import ModelServiceError
from model_service.evaluation.confusion_picture import confusion_figure
from model_service.evaluation.drawing import plain_text, png_bytes
from model_service.evaluation.item_pictures import open_pictures
from model_service.evaluation.joining import Comparison
from model_service.evaluation.mistakes_picture import Mistake, mistakes_figure, worst_mistakes
from model_service.evaluation.score_table import ScoreTable


def boxes(figure: Figure, texts: Sequence[Any]) -> list[Any]:
    renderer: Any = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    with plain_text():
        return [text.get_window_extent(renderer) for text in texts if text.get_text()]


def overlapping(found: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(one, other) for one, other in pairwise(found) if one.overlaps(other)]


def random_matrix(count: int, most: int) -> Any:
    return np.random.default_rng(1).integers(1, most, (count, count))


LONG = "n{} a rather long name of a class, of the kind found in large public sets"
CHINESE = "\u732b\u548c\u72d7\u7684\u540d\u79f0" * 3 + "{}"
NAMES = ["{}", LONG, CHINESE, "$x_{}^$", "a$b{}$\\frac"]


@pytest.mark.parametrize(
    ("name", "count", "most"),
    [
        *((name, count, most) for name in NAMES for count, most in ((1, 10**9), (2, 10**6), (10, 1000))),
        (LONG, 100, 100),
    ],
)
def test_names_do_not_overlap_and_counts_stay_in_their_cells(name: str, count: int, most: int) -> None:
    classes = [name.format(number) for number in range(count)]
    near = np.abs(np.subtract.outer(range(count), range(count))) < 5
    matrix = random_matrix(count, most) * near
    figure = confusion_figure(classes, matrix, "title")
    png_bytes(figure)
    axes = figure.axes[0]
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert len(labels) == count
        assert overlapping(boxes(figure, labels)) == []
    cell = axes.get_window_extent().width / count
    counts = boxes(figure, axes.texts)
    assert len(counts) == np.count_nonzero(matrix)
    assert all(box.width < cell and box.height < cell for box in counts)


def test_of_a_thousand_classes_some_are_named_and_none_counted() -> None:
    classes = [LONG.format(number) for number in range(1000)]
    figure = confusion_figure(classes, np.eye(1000, dtype=np.int64) * 7, "title")
    width, height = Image.open(io.BytesIO(png_bytes(figure))).size
    assert max(width, height) < 4000
    labels = figure.axes[0].get_yticklabels()
    assert 50 <= len(labels) <= 300
    assert overlapping(boxes(figure, labels)) == []
    assert len(figure.axes[0].texts) == 0


def test_counts_that_cannot_be_legible_are_left_out() -> None:
    figure = confusion_figure(list(map(str, range(100))), random_matrix(100, 10**7), "title")
    assert len(figure.axes[0].texts) == 0


def test_zeros_are_left_blank_and_colours_are_shares_of_the_row() -> None:
    figure = confusion_figure(["a", "b"], np.array([[3, 1], [0, 0]]), "two")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "1"]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), [[0.75, 0.25], [0.0, 0.0]])
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("predicted", "true", "two")


# the worst mistakes


def comparison(truth: list[int], predicted: list[int], scores: Any = None) -> Comparison:
    table = None if scores is None else ScoreTable(("0", "1", "7"), np.array(scores, float))
    return Comparison(("0", "1", "7"), np.array(truth), np.array(predicted), scores=table)


def test_the_worst_mistake_is_the_surest() -> None:
    scores = [[0.9, 0.1, 0], [0.3, 0.6, 0.1], [0, 0.98, 0.02], [0.9, 0.1, 0], [np.nan] * 3]
    found = worst_mistakes(comparison([0, 2, 2, 2, 0], [0, 1, 1, 0, -1], scores))
    assert [mistake.title for mistake in found] == ["7 -> 1 (0.98)", "7 -> 0 (0.90)", "7 -> 1 (0.60)"]
    assert [mistake.item for mistake in found] == [2, 3, 1]


def test_mistakes_without_scores_come_in_order() -> None:
    found = worst_mistakes(comparison([0, 1, 2, 2], [1, 1, 1, 0]), most=2)
    assert [(mistake.item, mistake.title) for mistake in found] == [(0, "0 -> 1"), (2, "7 -> 1")]


def test_long_names_take_two_lines() -> None:
    title = Mistake(0, LONG.format(1), LONG.format(2), 0.98).title
    first, second = title.splitlines()
    assert first.startswith("n1 ")
    assert second.startswith("-> n2 ")
    assert second.endswith(" (0.98)")


@pytest.mark.parametrize("count", [1, 4, 6, 25])
@pytest.mark.parametrize("name", ["7", LONG, CHINESE])
def test_titles_do_not_overlap(count: int, name: str) -> None:
    shapes = [(28, 28), (10, 90, 3), (90, 10, 3)]
    mistakes = [Mistake(item, name.format(1), name.format(2), 0.5) for item in range(count)]
    figure = mistakes_figure(mistakes, lambda item: np.zeros(shapes[item % 3], np.uint8) if item != 3 else None)
    png_bytes(figure)
    assert len(figure.axes) == count
    titles = boxes(figure, [axes.title for axes in figure.axes])
    tiles = [axes.get_window_extent() for axes in figure.axes]
    assert overlapping(titles) == []
    for title in titles:
        assert not any(title.overlaps(tile) for tile in tiles)
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == ["no picture"] * (count > 3)


# the items' pictures


def idx(array: Any) -> bytes:
    return b"".join([bytes([0, 0, 8, array.ndim]), struct.pack(f">{array.ndim}I", *array.shape), array.tobytes()])


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 5, 6, 3)], ids=str)
def test_pictures_of_an_idx_file(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx(images)))
    np.testing.assert_array_equal(open_pictures(path, 3, None)(2), images[2])


@pytest.mark.parametrize("shape", [(2, 28, 28), (3,), (3, 784), (3, 28, 28, 4), (3, 0, 28)], ids=str)
def test_an_idx_file_that_is_not_of_these_items(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "images"
    path.write_bytes(idx(np.zeros(shape, np.uint8)))
    with pytest.raises(ModelServiceError, match=r"are no pictures|holds 2 pictures, but there are 3 predictions"):
        open_pictures(path, 3, None)


def test_a_folder_needs_sources(tmp_path: Path) -> None:
    with pytest.raises(ModelServiceError, match="neither predictions nor labels name sources"):
        open_pictures(tmp_path, 3, None)
    with pytest.raises(ModelServiceError, match=r"nowhere: cannot be read"):
        open_pictures(tmp_path / "nowhere", 3, None)


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "a").mkdir(parents=True)
    Image.new("RGB", (600, 300), (255, 0, 0)).save(folder / "a" / "1.jpg")
    Image.new("RGBA", (3, 2), (0, 255, 0, 10)).save(folder / "2.png")
    Image.new("I;16", (3, 2)).save(folder / "3.png")
    (folder / "broken.png").write_bytes((folder / "2.png").read_bytes()[:40])
    (folder / "text.png").write_text("no picture")
    (tmp_path / "secret.png").write_bytes((folder / "2.png").read_bytes())
    (folder / "bomb.png").write_bytes(b"P6 20000 20000 255\n" + bytes(1000))
    sources = ["a/1.jpg", "s3://bucket/data/a/1.jpg", "/x/2.png", "3.png"]
    unusable = ["broken.png", "text.png", "bomb.png", "4.png", "../secret.png", "a", "", "x" * 5000, "a\0b"]
    picture_of = open_pictures(folder, len(sources + unusable), sources + unusable)
    pictures = [picture_of(item) for item in range(len(sources))]
    assert [picture.shape for picture in pictures if picture is not None] == [
        (128, 256, 3), (128, 256, 3), (2, 3, 3), (2, 3, 3)
    ]  # fmt: skip
    assert [picture_of(item) for item in range(len(sources), len(sources + unusable))] == [None] * len(unusable)
