"""The numbers of an evaluation, by scikit-learn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_service.evaluation.class_names import shown
from model_service.evaluation.joining import FAILED, Comparison

CALIBRATION_BINS = 15
MOST_MATRIX_CLASSES = 2000  # a matrix of more has too many cells to be of use to anybody
_ROUNDING = 1e-6
_MOST_OFF_ONE = 0.01  # answers with rounded probabilities are common


@dataclass(frozen=True)
class ClassMetrics:
    """Of one class: precision, recall and f1 in [0, 1], and the number of items that truly are of it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities can be trusted, measured on the answered items.

    Attributes:
        items: how many were answered.
        log_loss: mean of -ln(probability of the true class).
        expected_calibration_error: mean distance, over :data:`CALIBRATION_BINS` equal bins of the predicted class's
            probability, of that probability from the share of right answers, weighted by items; in [0, 1].
        brier: mean over items of the squared distance from the truth, summed over the classes; in [0, 2].
    """

    items: int
    log_loss: float
    expected_calibration_error: float
    brier: float


@dataclass(frozen=True)
class Metrics:
    """What was measured.

    Attributes:
        items: N, failed ones included.
        correct: how many are right.
        failed: how many were never answered. They are wrong, and count in the support of their true class.
        accuracy: correct / items.
        precision, recall, f1: means over all classes, each class counting alike; 0 where nothing can be divided by.
        per_class: by name, in order.
        confusion_matrix: int [K, K], rows truth, columns prediction; failed items are in no column; None for more than
            :data:`MOST_MATRIX_CLASSES` classes.
        calibration: None without probabilities; ``calibration_absent`` then says why.
    """

    items: int
    correct: int
    failed: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    per_class: dict[str, ClassMetrics]
    confusion_matrix: NDArray[np.int64] | None
    calibration: Calibration | None
    calibration_absent: str


def measure(comparison: Comparison) -> Metrics:
    """Measure a comparison of at least one item."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    truth, predicted = comparison.truth, comparison.predicted
    numbers = np.arange(len(comparison.classes))
    with warnings.catch_warnings():
        # Some releases take many classes for a sign of a mistake; here they are what the files say.
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        columns = precision_recall_fscore_support(truth, predicted, labels=numbers, average=None, zero_division=0)
        precision, recall, f1, _ = precision_recall_fscore_support(
            truth, predicted, labels=numbers, average="macro", zero_division=0
        )
        accuracy = accuracy_score(truth, predicted)
    per_class = {
        name: ClassMetrics(float(row[0]), float(row[1]), float(row[2]), int(row[3]))
        for name, row in zip(comparison.classes, zip(*columns, strict=True), strict=True)
    }
    matrix = None
    if len(numbers) <= MOST_MATRIX_CLASSES:
        answered = predicted != FAILED
        cells = np.bincount(truth[answered] * len(numbers) + predicted[answered], minlength=len(numbers) ** 2)
        matrix = cells.reshape(len(numbers), len(numbers)).astype(np.int64)
    calibration = _calibration(comparison)
    return Metrics(
        items=len(truth),
        correct=int((truth == predicted).sum()),
        failed=int((predicted == FAILED).sum()),
        accuracy=float(accuracy),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        per_class=per_class,
        confusion_matrix=matrix,
        calibration=calibration if isinstance(calibration, Calibration) else None,
        calibration_absent=calibration if isinstance(calibration, str) else "",
    )


def _calibration(comparison: Comparison) -> Calibration | str:
    """Measure the calibration, or say why it cannot be."""
    from sklearn.metrics import brier_score_loss, log_loss

    if comparison.scores is None:
        return "the predictions have no scores"
    answered = comparison.predicted != FAILED
    values = comparison.scores.values[answered].astype(np.float64)
    if values.shape[1] < 2 or not len(values):
        return "there are no scores of two classes"
    if not np.isfinite(values).all():
        return "some items have no score for some classes"
    sums = values.sum(axis=1)
    if values.min() < -_ROUNDING or values.max() > 1 + _ROUNDING or np.abs(sums - 1).max() > _MOST_OFF_ONE:
        return "the scores are no probabilities: not in [0, 1] with a sum of about 1"
    columns = {name: column for column, name in enumerate(comparison.scores.classes)}
    missing = [name for name in comparison.classes if name not in columns]
    if missing:
        return f"there are no scores for {shown(missing[:3])}"
    to_column = np.array([columns[name] for name in comparison.classes], np.intp)
    truth, predicted = to_column[comparison.truth[answered]], to_column[comparison.predicted[answered]]
    probabilities = (values / sums[:, None]).clip(0, 1)
    labels = np.arange(len(columns))
    return Calibration(
        items=len(values),
        log_loss=float(log_loss(truth, probabilities, labels=labels)),
        expected_calibration_error=_expected_calibration_error(
            probabilities[np.arange(len(values)), predicted], truth == predicted
        ),
        brier=float(brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False)),
    )


def _expected_calibration_error(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """Measure on ``confidence`` float [N] in [0, 1] and ``is_right`` bool [N]; a bin holds its upper end."""
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.intp) - 1, 0, CALIBRATION_BINS - 1)
    distance = np.bincount(bins, is_right - confidence, CALIBRATION_BINS)
    return float(np.abs(distance).sum() / len(confidence))


def as_json(metrics: Metrics, joined_by: str) -> dict[str, Any]:
    """Return what evaluation_result.json says, ``accuracy`` first."""
    result: dict[str, Any] = {
        "accuracy": metrics.accuracy,
        "items": metrics.items,
        "correct": metrics.correct,
        "failed": metrics.failed,
        "joined_by": joined_by,
        "precision": metrics.precision,
        "recall": metrics.recall,
        "f1": metrics.f1,
    }
    if metrics.calibration is not None:
        result |= {
            "log_loss": metrics.calibration.log_loss,
            "expected_calibration_error": metrics.calibration.expected_calibration_error,
            "expected_calibration_error_bins": CALIBRATION_BINS,
            "brier": metrics.calibration.brier,
        }
    result["classes"] = list(metrics.per_class)
    result["per_class"] = {name: vars(row) for name, row in metrics.per_class.items()}
    if metrics.confusion_matrix is not None:
        result["confusion_matrix"] = metrics.confusion_matrix.tolist()
    return result
