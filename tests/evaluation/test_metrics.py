"""Numbers, against ones worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_service.evaluation.joining import Comparison, join
from model_service.evaluation.labels import Labels
from model_service.evaluation.metrics import MOST_MATRIX_CLASSES, Metrics, as_json, measure
from model_service.evaluation.predictions import Predictions
from model_service.evaluation.score_table import ScoreTable


def compare(
    predicted: Sequence[str | None], true: Sequence[str], scores: Any = None, columns: Sequence[str] = ("0", "1")
) -> Comparison:
    table = None if scores is None else ScoreTable(tuple(columns), np.array(scores, float))
    return join(Predictions(Path("p"), tuple(predicted), None, {}, table), Labels(Path("l"), tuple(true)))


def of(predicted: Sequence[str | None], true: Sequence[str], scores: Any = None, **more: Any) -> Metrics:
    return measure(compare(predicted, true, scores, **more))


def test_by_hand() -> None:
    metrics = of(["a", "a", "a", "b", "c"], ["a", "a", "b", "b", "b"])
    assert (metrics.items, metrics.correct, metrics.failed, metrics.accuracy) == (5, 3, 0, 0.6)
    assert metrics.confusion_matrix is not None
    assert metrics.confusion_matrix.tolist() == [[2, 0, 0], [1, 1, 1], [0, 0, 0]]
    rows = {name: (row.precision, row.recall, row.f1, row.support) for name, row in metrics.per_class.items()}
    assert rows == {
        "a": (pytest.approx(2 / 3), 1.0, pytest.approx(0.8), 2),
        "b": (1.0, pytest.approx(1 / 3), pytest.approx(0.5), 3),
        "c": (0.0, 0.0, 0.0, 0),
    }
    assert metrics.precision == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert metrics.recall == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert metrics.f1 == pytest.approx((0.8 + 0.5 + 0) / 3)


def test_failed_items_are_wrong_and_in_no_column() -> None:
    metrics = of(["a", None, "b", None], ["a", "a", "b", "b"])
    assert (metrics.items, metrics.correct, metrics.failed, metrics.accuracy) == (4, 2, 2, 0.5)
    assert metrics.confusion_matrix is not None
    assert metrics.confusion_matrix.tolist() == [[1, 0], [0, 1]]
    assert metrics.per_class["a"].recall == 0.5
    assert metrics.per_class["a"].precision == 1.0
    assert metrics.per_class["a"].support == 2


def test_all_failed() -> None:
    metrics = of([None, None], ["a", "b"], [[np.nan, np.nan]] * 2)
    assert (metrics.accuracy, metrics.failed, metrics.f1) == (0.0, 2, 0.0)
    assert metrics.confusion_matrix is not None
    assert not metrics.confusion_matrix.any()


def test_one_class() -> None:
    metrics = of(["x", "x"], ["x", "x"])
    assert (metrics.accuracy, metrics.f1) == (1.0, 1.0)
    assert metrics.confusion_matrix is not None
    assert metrics.confusion_matrix.tolist() == [[2]]


def test_calibration_by_hand() -> None:
    # confidences 0.9 (right), 0.9 (wrong), 0.6 (right): bins 14, 14 and 9 of 15
    metrics = of(["0", "0", "1"], ["0", "1", "1"], [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    assert metrics.calibration is not None
    assert metrics.calibration.items == 3
    assert metrics.calibration.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.1) + math.log(0.6)) / 3)
    assert metrics.calibration.expected_calibration_error == pytest.approx((abs(1 - 1.8) + abs(1 - 0.6)) / 3)
    assert metrics.calibration.brier == pytest.approx((0.02 + 1.62 + 0.32) / 3)


@pytest.mark.parametrize("upper_end", [9 / 15, 10 / 15, 12 / 15, 14 / 15])
def test_a_bin_holds_its_upper_end(upper_end: float) -> None:
    rows = [[1 - share, share] for share in (upper_end, upper_end + 1e-9)]  # two bins: the errors do not cancel out
    metrics = of(["1", "1"], ["1", "0"], rows)
    assert metrics.calibration is not None
    assert metrics.calibration.expected_calibration_error == pytest.approx((1 - upper_end + upper_end) / 2)


def test_columns_in_any_order_with_more_classes_than_occur() -> None:
    columns = ["dog", "bird", "cat"]
    metrics = of(["cat", "dog"], ["cat", "cat"], [[0.1, 0.1, 0.8], [0.7, 0.0, 0.3]], columns=columns)
    assert list(metrics.per_class) == ["cat", "dog"]
    assert metrics.calibration is not None
    assert metrics.calibration.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.3)) / 2)
    assert metrics.calibration.brier == pytest.approx((0.06 + 0.98) / 2)


def test_failed_items_have_no_part_in_the_calibration() -> None:
    metrics = of(["0", None], ["0", "1"], [[0.9, 0.1], [np.nan, np.nan]])
    assert metrics.calibration is not None
    assert metrics.calibration.items == 1
    assert metrics.calibration.log_loss == pytest.approx(-math.log(0.9))


def test_rounded_probabilities_and_a_probability_of_zero() -> None:
    metrics = of(["0", "1"], ["0", "0"], [[0.993, 0.001], [0.0, 1.0000001]])
    assert metrics.calibration is not None
    assert metrics.calibration.brier == pytest.approx((2 * (0.001 / 0.994) ** 2 + 2) / 2)
    assert math.isfinite(metrics.calibration.log_loss)


@pytest.mark.parametrize(
    ("scores", "columns", "reason"),
    [
        (None, "01", "the predictions have no scores"),
        ([[5.0, 1.0], [2.0, 3.0]], "01", "the scores are no probabilities"),
        ([[0.9, 0.9], [0.2, 0.8]], "01", "the scores are no probabilities"),
        ([[1.5, -0.5], [0.2, 0.8]], "01", "the scores are no probabilities"),
        ([[0.9, np.nan], [0.2, 0.8]], "01", "some items have no score for some classes"),
        ([[np.inf, 0.0], [0.2, 0.8]], "01", "some items have no score"),
        ([[1.0], [1.0]], "0", "there are no scores of two classes"),
        ([[0.9, 0.1], [0.2, 0.8]], "0x", 'there are no scores for ["1"]'),
    ],
)
def test_without_probabilities_there_is_a_reason(scores: Any, columns: str, reason: str) -> None:
    comparison = compare(["0", "1"], ["0", "1"], scores, columns)
    metrics = measure(comparison)
    assert metrics.calibration is None
    assert metrics.calibration_absent.startswith(reason)
    assert not {"log_loss", "brier", "expected_calibration_error"} & as_json(metrics, "order").keys()


def test_accuracy_comes_first() -> None:
    result = as_json(of(["0", "1"], ["0", "0"], [[0.9, 0.1], [0.2, 0.8]]), "order")
    assert next(iter(result)) == "accuracy"
    assert result["expected_calibration_error_bins"] == 15
    assert result["classes"] == ["0", "1"]
    assert result["per_class"]["0"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert result["confusion_matrix"] == [[1, 1], [0, 0]]


def test_no_matrix_of_very_many_classes() -> None:
    names = list(map(str, range(MOST_MATRIX_CLASSES + 1)))
    metrics = of(names, names)
    assert metrics.confusion_matrix is None
    assert "confusion_matrix" not in as_json(metrics, "order")
    assert metrics.f1 == 1.0
