"""From the same drawing in other modes and sizes, and from broken files, to what callers with such files meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.running.judge_failures import place_of
from model_packaging.check.running.observation import Observation, TensorSummary
from model_packaging.check.running.pictures import Picture, PictureKind

_SERVICE = Place("customize_service.py")
# The same drawing, differently scaled, correlates by 0.9 and more; another one, or a part of it, by 0.3 and less.
_SAME = 0.8
_OTHER = 0.5
_SCALE = 8.0  # values so many times larger or smaller are another unit, not another rounding
_CUT = 0.99

Seen = Sequence[tuple[Picture, Observation]]


def judge_pictures(base: Observation, seen: Seen, is_repeatable: bool) -> list[Finding]:
    """Judge everything that was seen of varied pictures.

    Args:
        base: of the picture that the others are variations of; answered.
        seen: of the variations.
        is_repeatable: the same picture makes the same tensors each time; else tensors are not compared.
    """
    reference = _only_tensor(base) if is_repeatable else None
    found = []
    for code, kind in (("picture-mode", PictureKind.MODE), ("picture-size", PictureKind.SIZE)):
        told = [_told(picture, each, reference) for picture, each in seen if picture.kind is kind]
        wrong = [(place, text) for place, text in told if text]
        if wrong:
            place = next((place for place, _ in wrong if place.line), _SERVICE)
            found.append(finding(code, place, "\n".join(text for _, text in wrong)))
    found += _judge_turned(seen, reference)
    for picture, each in seen:
        if picture.kind is PictureKind.LARGE and each.status >= 500 and each.failure is not None:
            text = f"{picture.title} is answered {each.status}: {each.failure.text}"
            found.append(finding("picture-size", place_of(each.failure), text))
    return found + _judge_bad(seen)


def _told(picture: Picture, seen: Observation, reference: TensorSummary | None) -> tuple[Place, str]:
    """What a caller with that picture gets, if it is not what it should be; else ""."""
    if seen.failure is not None:
        if seen.failure.is_deliberate:
            return _SERVICE, ""
        return place_of(seen.failure), f"{picture.title}: {seen.status}, {seen.failure.text}"
    tensor = _only_tensor(seen)
    if not seen.is_answered or reference is None or tensor is None or tensor.shape != reference.shape:
        return _SERVICE, ""
    if _is_stretched(picture) or not _is_comparable(reference):
        return _SERVICE, ""
    if _correlation(reference.sample, tensor.sample) < _OTHER:
        return _SERVICE, f"{picture.title}: 200, but with other values{_cut(picture, tensor)}"
    ratio = tensor.maximum / reference.maximum if reference.maximum > 0 else 1.0
    if not 1 / _SCALE < ratio < _SCALE:
        was, now = (f"{each.minimum:g} to {each.maximum:g}" for each in (reference, tensor))
        return _SERVICE, f"{picture.title}: 200, but the model gets values from {now} instead of {was}"
    return _SERVICE, ""


def _is_stretched(picture: Picture) -> bool:
    """Whether it has other proportions than the base, or shows nothing: what would be right is not certain then."""
    if picture.values is None or picture.kind is not PictureKind.SIZE:
        return False
    height, width = picture.values.shape[:2]
    return bool(width != height or width < 2)


def _cut(picture: Picture, tensor: TensorSummary) -> str:
    """Say so if the tensor is nothing but the first numbers of the picture."""
    if picture.values is None or tensor.size != len(tensor.sample):
        return ""
    numbers = picture.values.ravel().astype(np.float64)
    if len(numbers) > tensor.size and _correlation(numbers[: tensor.size], tensor.sample) > _CUT:
        return f": only the first {tensor.size} of its {len(numbers)} numbers are used"
    if not tensor.sample.any() and not numbers[: tensor.size].any() and len(numbers) > tensor.size:
        return f": only the first {tensor.size} of its {len(numbers)} numbers are used"
    return ""


def _judge_turned(seen: Seen, reference: TensorSummary | None) -> list[Finding]:
    plain = [
        _only_tensor(each) for picture, each in seen if "JPEG" in picture.title and picture.kind is PictureKind.MODE
    ]
    if reference is None or not _is_comparable(reference):
        return []
    if not any(each is not None and _is_same(reference, each) for each in plain):
        return []
    for picture, each in seen:
        tensor = _only_tensor(each)
        if picture.kind is not PictureKind.TURNED or tensor is None or not each.is_answered:
            continue
        if tensor.shape == reference.shape and _correlation(reference.sample, tensor.sample) < _OTHER:
            return [finding("exif-ignored", _SERVICE, f"a {picture.title} is looked at lying on its side")]
    return []


def _judge_bad(seen: Seen) -> list[Finding]:
    bad = [(picture, each) for picture, each in seen if picture.kind is PictureKind.BAD]
    found = []
    answered = [picture.title for picture, each in bad if each.is_answered]
    if answered:
        found.append(finding("bad-picture-answered", _SERVICE, f"{', '.join(answered)}: answered 200"))
    failed = [(picture, each.failure, each.status) for picture, each in bad if each.status >= 500 and each.failure]
    if failed:
        text = "\n".join(f"{picture.title}: {status}, {failure.text}" for picture, failure, status in failed)
        found.append(finding("bad-picture-500", place_of(failed[0][1]), text))
    return found


def _only_tensor(observation: Observation) -> TensorSummary | None:
    tensors = list(observation.tensors.get("_preprocess", {}).values())
    return tensors[0] if len(tensors) == 1 and len(tensors[0].sample) > 1 else None


def _is_comparable(tensor: TensorSummary) -> bool:
    return float(np.std(tensor.sample)) > 0


def _is_same(reference: TensorSummary, tensor: TensorSummary) -> bool:
    return tensor.shape == reference.shape and _correlation(reference.sample, tensor.sample) > _SAME


def _correlation(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """Pearson's r; 0 if one of them is constant."""
    if len(one) != len(other) or np.std(one) == 0 or np.std(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
