"""The key ``metrics`` of a package's config.json."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_service.evaluation.errors import EvaluationError
from model_service.evaluation.files import write_whole
from model_service.evaluation.json_lines import parse_json
from model_service.evaluation.metrics import Metrics
from model_service.package.layout import CONFIG_NAME, find_package

_KEY = "metrics"


@dataclass(frozen=True)
class PackageConfigFile:
    """A config.json that metrics can be written to: where it is, and all that it says."""

    path: Path
    content: dict[str, Any]


def find_config(package: Path) -> PackageConfigFile:
    """Read the config.json of a package.

    Raises:
        PackageError: there is no package.
        EvaluationError: no config.json, no JSON object, or one that would lose something if it were written again.
    """
    layout = find_package(package)
    if layout.config_path is None:
        raise EvaluationError(f"{layout.model_directory}: has no {CONFIG_NAME}, so no metrics can be written to it")
    path = layout.config_path
    try:
        text = path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror}") from error
    content = parse_json(text, str(path))
    if not isinstance(content, dict):
        raise EvaluationError(f"{path}: must be a JSON object, not {type(content).__name__}")
    metrics = content.get(_KEY)
    if metrics is not None and not isinstance(metrics, dict):
        raise EvaluationError(f"{path}: {_KEY} must be an object, not {type(metrics).__name__}")
    _refuse_what_would_be_lost(path, text)
    return PackageConfigFile(path, content)


def write_metrics(config: PackageConfigFile, metrics: Metrics) -> None:
    """Write accuracy, precision, recall and f1 (macro) into the file; everything else in it stays, in its order.

    Raises:
        EvaluationError: it cannot be written; the file is then as it was.
    """
    measured = {
        "accuracy": metrics.accuracy,
        "precision": metrics.precision,
        "recall": metrics.recall,
        "f1": metrics.f1,
    }
    content = {**config.content, _KEY: {**(config.content.get(_KEY) or {}), **measured}}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_whole(config.path, text.encode("utf-8", "surrogatepass"))


def _refuse_what_would_be_lost(path: Path, text: bytes) -> None:
    def keep_all(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise EvaluationError(f"{path}: the key {key!r} stands twice in one object. Remove one of them.")
        return dict(pairs)

    def keep_number(number: str) -> float:
        if not math.isfinite(float(number)):
            raise EvaluationError(f"{path}: {number} is no number that JSON has, or too large. Replace it.")
        return float(number)

    json.loads(
        text.decode("utf-8-sig"), object_pairs_hook=keep_all, parse_float=keep_number, parse_constant=keep_number
    )
