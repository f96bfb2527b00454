"""The class, and the scores if there are any, in what a service answered for one item."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from model_service.evaluation.class_names import class_name, is_number
from model_service.evaluation.errors import EvaluationError

KNOWN_SHAPES = (
    'a class number, {"predicted_label": ...}, {"scores": [[label, score], ...]}, {"probabilities": [...]}, '
    '{"predictions": [one]}, {"mnist_result": [one]}, a list with one score for each class'
)
_LABEL_KEY = "predicted_label"
_SCORE_KEYS = ("scores", "probabilities")
_LIST_KEYS = ("predictions", "mnist_result")


@dataclass(frozen=True)
class Answer:
    """What was answered for one item.

    ``name`` is the class, None where the scores hold no highest one because one of them is NaN. ``score_classes`` and
    ``scores`` are equally long, and empty if the answer has no scores.
    """

    name: str | None
    score_classes: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()


def read_answer(answer: Any) -> Answer | None:
    """Find class and scores in a parsed answer by the shapes of :data:`KNOWN_SHAPES`; None if it has none of them."""
    while isinstance(answer, list):
        scored = _from_pairs(answer) or _from_list(answer, accept_text=False)
        if scored or len(answer) != 1:
            return scored
        answer = answer[0]
    if isinstance(answer, dict):
        return _from_object(answer)
    name = class_name(answer)
    return Answer(name) if name is not None and is_number(name) else None


def read_pointed(value: Any) -> Answer | None:
    """Find class and scores in the place that the user pointed at: there any text is a class."""
    name = _single_name(value)
    if name is not None:
        return Answer(name)
    return _from_scores(value) or read_answer(value)


def resolve_pointer(answer: Any, pointer: str) -> Any:
    """Follow a JSON pointer (RFC 6901) into a parsed answer.

    Raises:
        EvaluationError: the answer has no such place.
    """
    place = answer
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and key in place:
            place = place[key]
        elif isinstance(place, list) and key.isascii() and key.isdigit() and int(key[:18]) < len(place):
            place = place[int(key)]
        else:
            raise EvaluationError(f"nothing stands at {pointer}: there is no {key!r}")
    return place


def _from_object(answer: dict[str, Any]) -> Answer | None:
    name = _single_name(answer.get(_LABEL_KEY))
    found = None
    for key in _SCORE_KEYS:
        found = found or _from_scores(answer.get(key))
    for key in _LIST_KEYS:
        value = answer.get(key)
        if found is None and isinstance(value, list) and len(value) == 1:
            found = read_answer(value[0])
    if name is None:
        return found
    return Answer(name, found.score_classes, found.scores) if found else Answer(name)


def _single_name(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return class_name(value)


def _from_scores(value: Any) -> Answer | None:
    """Where scores are expected, one number is no class, and text may be a score."""
    if not isinstance(value, list):
        return None
    return _from_pairs(value) or _from_list(value, accept_text=True)


def _from_pairs(value: list[Any]) -> Answer | None:
    """``[[label, score], ...]``. A single ``[0, 1]`` is not taken for a pair: it may be the scores of two classes."""
    if not value or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return None
    if not all(isinstance(label, str) or (len(value) > 1 and isinstance(label, int)) for label, _ in value):
        return None
    names = [class_name(label) for label, _ in value]
    scores = [_score(score, accept_text=True) for _, score in value]
    known = [name for name in names if name is not None]
    if len(set(known)) != len(value):
        return None
    return _answer(tuple(known), scores)


def _from_list(value: list[Any], accept_text: bool) -> Answer | None:
    """A list with one score for each class, or a list of one such list."""
    while len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if len(value) < 2:
        return None
    return _answer(numbered_classes(len(value)), [_score(part, accept_text) for part in value])


@lru_cache(maxsize=8)
def numbered_classes(count: int) -> tuple[str, ...]:
    """Return the names of classes that have none: "0", "1", ..."""
    return tuple(map(str, range(count)))


def _answer(names: tuple[str, ...], scores: Sequence[float | None]) -> Answer | None:
    known = tuple(score for score in scores if score is not None)
    if len(known) != len(scores):
        return None
    if any(map(math.isnan, known)):
        return Answer(None)
    return Answer(names[known.index(max(known))], names, known)


def _score(value: Any, accept_text: bool) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str) if accept_text else (int, float)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
