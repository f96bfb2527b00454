"""What a training run measured: the numbers of its ``test_metrics.json`` that a config.json may carry."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from model_packaging.rules import METRIC_NAMES

METRICS_NAME = "test_metrics.json"


def read_run_metrics(path: Path) -> tuple[dict[str, float] | None, list[str]]:
    """Read the metrics a training script left.

    Args:
        path: an object with the numbers f1, accuracy, precision and recall, each optional; others are left out.

    Returns:
        The metrics, or None if there are none to use; and a line that says why.
    """
    try:
        return usable_metrics(json.loads(path.read_text(encoding="utf-8"))), []
    except (OSError, ValueError, RecursionError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be used ({error})"
        return None, [f"  without metrics: {path} {reason}"]


def usable_metrics(content: object) -> dict[str, float]:
    """Take the metrics out of a parsed file.

    Raises:
        ValueError: it is no object, or one of the metrics no finite number.
    """
    if not isinstance(content, Mapping):
        raise ValueError("it holds no JSON object")
    metrics = {name: content[name] for name in METRIC_NAMES if name in content}
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}, not a number")
    return metrics
