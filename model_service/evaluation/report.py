"""An evaluation as text: the result file, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from model_service.evaluation.class_names import fitted, width
from model_service.evaluation.joining import Comparison
from model_service.evaluation.metrics import CALIBRATION_BINS, Metrics

_MOST_ROWS = 20
_NAME_COLUMNS = 24


def result_text(result: dict[str, Any]) -> str:
    """Return a JSON object with one key a line; a class and a row of the matrix have a line of their own too."""
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {_value(value)}" for key, value in result.items()) + "\n}\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        rows = [f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(row)}" for key, row in value.items()]
        return "{\n    " + ",\n    ".join(rows) + "\n  }"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n    " + ",\n    ".join(json.dumps(row) for row in value) + "\n  ]"
    return json.dumps(value, ensure_ascii=False)


def printed_lines(metrics: Metrics, comparison: Comparison) -> Iterator[str]:
    """Give the lines for standard output: the accuracy first, then a table of at most 20 classes."""
    yield f"Accuracy is {metrics.accuracy:.4f}"
    yield f"items {metrics.items}, correct {metrics.correct}, failed {metrics.failed}, joined by {comparison.joined_by}"
    if comparison.failures:
        item, message = min(comparison.failures.items())
        yield f"failed items count as wrong; the first is item {item}: {fitted(message, 100)}"
    yield f"means over classes: precision {metrics.precision:.4f}, recall {metrics.recall:.4f}, f1 {metrics.f1:.4f}"
    if metrics.calibration is None:
        yield f"no calibration: {metrics.calibration_absent}"
    else:
        yield (
            f"probabilities: log loss {metrics.calibration.log_loss:.4f}, expected calibration error "
            f"{metrics.calibration.expected_calibration_error:.4f} ({CALIBRATION_BINS} bins), "
            f"Brier score {metrics.calibration.brier:.4f}"
        )
    yield from _table(metrics)


def _table(metrics: Metrics) -> Iterator[str]:
    rows = list(metrics.per_class.items())
    left_out = len(rows) - _MOST_ROWS
    if left_out > 0:
        rows = sorted(rows, key=lambda row: row[1].f1)[:_MOST_ROWS]
    names = [fitted(name, _NAME_COLUMNS) for name, _ in rows]
    first = max(width(name) for name in ["class", *names])
    yield f"{'class':<{first}}  precision  recall      f1  support"
    for name, (_, row) in zip(names, rows, strict=True):
        padding = " " * (first - width(name))
        yield f"{name}{padding}  {row.precision:9.4f}  {row.recall:6.4f}  {row.f1:6.4f}  {row.support:7}"
    if left_out > 0:
        yield f"({left_out} more classes in the result file; these have the lowest f1)"
