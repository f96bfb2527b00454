"""From the tensors that went through the hooks to what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.running.observation import Observation, TensorSummary
from model_packaging.check.subject import Subject
from model_service.tfs.dtypes import BFLOAT16, STRING

_SERVICE = Place("customize_service.py")
_RANGE_SLACK = 1e-6
# A softmax that is this sure of every drawing has got inputs far too large; the drawings are far from perfect digits.
_SATURATED = 0.9999
_LEAST_DISTANCE = 0.1  # of answers to different drawings that are looked at rightly, as total variation
_BYTE_MAXIMUM = 255

Scores = np.ndarray[Any, np.dtype[np.float64]]


def judge_element_types(observation: Observation, subject: Subject) -> list[Finding]:
    """Element types that this service converts and the original runtime refused."""
    found = []
    for name, spec in subject.signature.inputs.items() if subject.signature else ():
        tensor = observation.tensors.get("_preprocess", {}).get(name)
        if tensor is None or not tensor.is_array or spec.dtype in (STRING, BFLOAT16):
            continue
        if tensor.dtype != spec.dtype.numpy.name:
            message = f"_preprocess sends {name!r} as {tensor.dtype}, the model wants {spec.dtype.name}"
            found.append(finding("converted-element-type", _SERVICE, message))
    return found


def judge_declared_range(observations: Sequence[Observation], content: Mapping[str, Any]) -> list[Finding]:
    """Values beyond what config.json says under ``tensors``: ``{"images": {"minimum": 0, "maximum": 1}}``."""
    declared = content.get("tensors")
    found = []
    for name, limits in declared.items() if isinstance(declared, dict) else ():
        tensors = [each.tensors.get("_preprocess", {}).get(name) for each in observations]
        seen = [tensor for tensor in tensors if tensor is not None and tensor.size]
        if not seen or not isinstance(limits, dict):
            continue
        low, high = min(each.minimum for each in seen), max(each.maximum for each in seen)
        least, most = limits.get("minimum"), limits.get("maximum")
        is_low = isinstance(least, int | float) and low < least - _RANGE_SLACK
        is_high = isinstance(most, int | float) and high > most + _RANGE_SLACK
        if is_low or is_high:
            said = f"from {least} to {most}" if least is not None and most is not None else f"{dict(limits)}"
            message = (
                f"_preprocess makes {name!r} from {low:g} to {high:g}; config.json says {said} under /tensors/{name}"
            )
            found.append(finding("out-of-range", _SERVICE, message))
    return found


def judge_scaling(drawings: Sequence[Observation]) -> list[Finding]:
    """Whether a division by 255 is missing, as the model's own answers tell.

    Certain enough only if its probabilities are saturated for all drawings as they are sent, and neither saturated nor
    alike for the same values divided by 255. A model that divides by itself takes those for black pictures.
    """
    inputs = [tensor for each in drawings for tensor in each.tensors.get("_preprocess", {}).values()]
    if len(drawings) < 3 or not inputs or any(each.minimum < 0 for each in inputs):
        return []
    if not all(_BYTE_MAXIMUM * 0.8 <= each.maximum <= _BYTE_MAXIMUM for each in inputs):
        return []
    names = drawings[0].tensors.get("_inference", {})
    for name in names:
        sent = _probabilities([each.tensors.get("_inference", {}).get(name) for each in drawings])
        scaled = _probabilities([each.scaled.get(name) for each in drawings])
        if sent is None or scaled is None:
            continue
        as_sent, as_scaled = median(sent.max(axis=1)), median(scaled.max(axis=1))
        if as_sent >= _SATURATED > as_scaled and _mean_distance(scaled) >= _LEAST_DISTANCE:
            message = (
                f"pixels are sent as 0 to 255; the model is then sure of every drawing (median of the largest {name!r} "
                f"{as_sent:.4f}), and weighs them for the same pixels divided by 255 (median {as_scaled:.2f})"
            )
            return [finding("missing-scaling", _SERVICE, message)]
    return []


def _probabilities(tensors: Sequence[TensorSummary | None]) -> Scores | None:
    """The outputs as float64 [drawings, classes] if each is one row of probabilities."""
    rows = [each.sample for each in tensors if each is not None and each.size == len(each.sample)]
    if len(rows) < len(tensors) or len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return None
    scores = np.stack(rows)
    if np.any(scores < 0) or not np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return None
    return scores


def _mean_distance(scores: Scores) -> float:
    pairs = [(i, j) for i in range(len(scores)) for j in range(i)]
    return float(np.mean([np.abs(scores[i] - scores[j]).sum() / 2 for i, j in pairs]))
