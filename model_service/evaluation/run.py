"""One evaluation, from files to files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_service.evaluation.confusion_picture import confusion_figure
from model_service.evaluation.drawing import png_bytes
from model_service.evaluation.extra import require
from model_service.evaluation.files import make_folder, remove, write_whole
from model_service.evaluation.item_pictures import PictureOf, open_pictures
from model_service.evaluation.joining import Comparison, join
from model_service.evaluation.labels import read_labels
from model_service.evaluation.metrics import MOST_MATRIX_CLASSES, Metrics, as_json, measure
from model_service.evaluation.mistakes_picture import mistakes_figure, worst_mistakes
from model_service.evaluation.package_metrics import find_config, write_metrics
from model_service.evaluation.predictions import read_predictions
from model_service.evaluation.report import printed_lines, result_text

RESULT_NAME = "evaluation_result.json"
MATRIX_NAME = "confusion_matrix.png"
MISTAKES_NAME = "worst_mistakes.png"


@dataclass(frozen=True)
class EvaluationOrder:
    """What to evaluate.

    Attributes:
        predictions, labels: files, as ``read_predictions`` and ``read_labels`` take them.
        output: folder for the results.
        answer_pointer: JSON pointer to the class or the scores in each answer; None: found by the known shapes.
        images: an IDX file or a folder with the items' pictures.
        with_pictures: whether to draw.
        package: whose config.json gets the metrics.
    """

    predictions: Path
    labels: Path
    output: Path
    answer_pointer: str | None = None
    images: Path | None = None
    with_pictures: bool = True
    package: Path | None = None


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and the lines that tell it."""

    metrics: Metrics
    lines: tuple[str, ...]


def evaluate(order: EvaluationOrder) -> Evaluation:
    """Measure, draw, and write the results; nothing is written unless all of it could be made.

    Raises:
        EvaluationError: a library is absent, or a file is unusable.
        ModelServiceError: the package or an IDX file is.
    """
    require("sklearn.metrics")
    if order.with_pictures:
        require("matplotlib", ", or leave the pictures out with --no-pictures")
    config = find_config(order.package) if order.package else None
    comparison = join(read_predictions(order.predictions, order.answer_pointer), read_labels(order.labels))
    picture_of = None
    if order.images and order.with_pictures:
        picture_of = open_pictures(order.images, len(comparison.truth), comparison.sources)
    metrics = measure(comparison)
    files: dict[str, bytes | None] = {
        RESULT_NAME: result_text(as_json(metrics, comparison.joined_by)).encode(),
        MATRIX_NAME: None,
        MISTAKES_NAME: None,
    }
    remarks: list[str] = []
    if order.with_pictures:
        files[MATRIX_NAME] = _confusion_matrix(comparison, metrics, remarks)
        files[MISTAKES_NAME] = _mistakes(comparison, picture_of, remarks)
    written = _write(order.output, files)
    if config is not None:
        write_metrics(config, metrics)
        written.append(config.path)
    names = ", ".join(map(str, written))
    return Evaluation(metrics, (*printed_lines(metrics, comparison), *remarks, f"written: {names}"))


def _confusion_matrix(comparison: Comparison, metrics: Metrics, remarks: list[str]) -> bytes | None:
    if metrics.confusion_matrix is None:
        remarks.append(f"no confusion matrix: {len(comparison.classes)} classes, more than {MOST_MATRIX_CLASSES}")
        return None
    failed = f", {metrics.failed} failed and not shown" if metrics.failed else ""
    title = f"accuracy {metrics.accuracy:.4f}, {metrics.items} items{failed}"
    return png_bytes(confusion_figure(comparison.classes, metrics.confusion_matrix, title))


def _mistakes(comparison: Comparison, picture_of: PictureOf | None, remarks: list[str]) -> bytes | None:
    if picture_of is None:
        remarks.append(f"no {MISTAKES_NAME}: it needs the items' pictures, give --images")
        return None
    mistakes = worst_mistakes(comparison)
    if not mistakes:
        remarks.append(f"no {MISTAKES_NAME}: no answer is wrong")
        return None
    return png_bytes(mistakes_figure(mistakes, picture_of))


def _write(folder: Path, files: dict[str, bytes | None]) -> list[Path]:
    """Write the files; those without content are removed, so that the folder never tells of two runs."""
    make_folder(folder)
    written = []
    for name, content in files.items():
        path = folder / name
        if content is None:
            remove(path)
        else:
            write_whole(path, content)
            written.append(path)
    return written
