"""Predictions, from an array, from the JSON lines of a batch run, or from an output manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_service.evaluation.answers import (
    KNOWN_SHAPES,
    Answer,
    numbered_classes,
    read_answer,
    read_pointed,
    resolve_pointer,
)
from model_service.evaluation.arrays import is_array_file, load_array, names_in_array
from model_service.evaluation.class_names import clean, shown
from model_service.evaluation.errors import EvaluationError
from model_service.evaluation.json_lines import JsonObject, parse_json, read_json_lines, source_of
from model_service.evaluation.score_table import ScoreTable, ScoreTableBuilder

_FAILED = "FAILED"
_RESULTS = ("SUCCESSFUL", _FAILED)
_LOCATION_KEY = "inference-loc"
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_NAN_SCORES = "its scores hold NaN"


@dataclass(frozen=True)
class Predictions:
    """What was predicted for N items.

    Attributes:
        path: the file it was read from.
        names: N classes; None for an item that failed.
        sources: N names of inputs; None if the file names none.
        failures: position -> why the item failed.
        scores: None if there are none.
    """

    path: Path
    names: tuple[str | None, ...]
    sources: tuple[str, ...] | None = None
    failures: dict[int, str] = field(default_factory=dict)
    scores: ScoreTable | None = None


@dataclass(frozen=True)
class _Item:
    place: str
    number: int | None
    source: str | None
    answer: Answer | None
    failure: str


def read_predictions(path: Path, pointer: str | None = None) -> Predictions:
    """Read predictions; the kind of file is found by its content.

    Args:
        path: a NumPy array (integer [N] class numbers, text [N] class names, or [N, C] scores), or JSON lines: those
            of ``model-service batch``, or an output manifest whose results lie in files.
        pointer: JSON pointer to the class or the scores in each answer; None: they are found by the known shapes.

    Raises:
        EvaluationError: unreadable, or something in it is no prediction; the message names the line.
    """
    if path.is_dir():
        names = sorted(child.name for child in path.iterdir() if child.suffix in (".npy", ".jsonl", ".manifest"))
        found = ", ".join(names[:10]) or "no .npy, .jsonl or .manifest"
        raise EvaluationError(f"{path}: is a folder. Name the file with the predictions; here are: {found}")
    predictions = _from_array(path) if is_array_file(path) else _from_lines(path, pointer)
    if not predictions.names:
        raise EvaluationError(f"{path}: holds no predictions")
    return predictions


def _from_array(path: Path) -> Predictions:
    array = load_array(path)
    if array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "fiu":
        return _from_scores(path, array)
    if array.dtype.kind == "f" and array.ndim in (1, 2):
        raise EvaluationError(
            f"{path}: float {list(array.shape)}: one score per item does not say which class is meant. "
            "Save class numbers, integer [N], or one score per class, float [N, C]."
        )
    names = names_in_array(array)
    if names is None:
        raise EvaluationError(
            f"{path}: {array.dtype} {list(array.shape)} are no predictions. "
            "Save class numbers, integer [N], or one score per class, float [N, C]."
        )
    return Predictions(path, names)


def _from_scores(path: Path, array: NDArray[Any]) -> Predictions:
    values = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    classes = numbered_classes(values.shape[1])
    broken = np.isnan(values).any(axis=1)
    best = values.argmax(axis=1)
    names = tuple(None if failed else classes[column] for failed, column in zip(broken, best, strict=True))
    failures = {int(item): _NAN_SCORES for item in np.flatnonzero(broken)}
    return Predictions(path, names, None, failures, ScoreTable(classes, values))


def _from_lines(path: Path, pointer: str | None) -> Predictions:
    items = _in_order(path, list(_read_items(path, pointer)))
    scores = ScoreTableBuilder()
    for item in items:
        if item.answer is None:
            scores.add((), ())
        else:
            scores.add(item.answer.score_classes, item.answer.scores)
    sources = tuple(item.source for item in items if item.source is not None)
    if 0 < len(sources) < len(items):
        place = next(item.place for item in items if item.source is None)
        raise EvaluationError(f"{place}: names no source, other lines do. Give every line one, or none.")
    return Predictions(
        path,
        names=tuple(item.answer.name if item.answer else None for item in items),
        sources=sources or None,
        failures={position: item.failure for position, item in enumerate(items) if item.failure},
        scores=scores.build(),
    )


def _in_order(path: Path, items: list[_Item]) -> list[_Item]:
    """By the number of the item where every line has one: a run on several machines may end in any order."""
    numbered = [(item.number, item) for item in items if item.number is not None]
    if len(numbered) < len(items):
        return items
    numbered.sort(key=lambda pair: pair[0])
    for (number, item), (next_number, next_item) in pairwise(numbered):
        if number == next_number:
            raise EvaluationError(f"{next_item.place}: item {number} stands there twice, also in {item.place}")
    return [item for _, item in numbered]


def _read_items(path: Path, pointer: str | None) -> Iterator[_Item]:
    for line, entry in read_json_lines(path):
        place = f"{path} line {line}"
        number = entry.get("item")
        failure = _failure(place, entry)
        answer = None if failure else _read_answer(place, path.parent, entry, pointer)
        if answer is not None and answer.name is None:
            failure = _NAN_SCORES
        yield _Item(
            place,
            number if isinstance(number, int) and not isinstance(number, bool) else None,
            source_of(entry),
            answer,
            failure,
        )


def _failure(place: str, entry: JsonObject) -> str:
    result = entry.get("result")
    if result is not None and result not in _RESULTS:
        raise EvaluationError(f"{place}: result is {shown(result)}; it must be {' or '.join(_RESULTS)}, or absent")
    if result == _FAILED or (result is None and "error_message" in entry):
        message = entry.get("error_message")
        return clean(message) or _FAILED if isinstance(message, str) else _FAILED
    return ""


def _read_answer(place: str, folder: Path, entry: JsonObject, pointer: str | None) -> Answer:
    if "answer" in entry:
        content = entry["answer"]
    elif _LOCATION_KEY in entry:
        content, place = _read_result_file(place, folder, entry[_LOCATION_KEY])
    else:
        raise EvaluationError(
            f"{place}: has neither answer nor {_LOCATION_KEY}; it has: {', '.join(entry) or 'nothing'}"
        )
    try:
        answer = read_answer(content) if pointer is None else read_pointed(resolve_pointer(content, pointer))
    except EvaluationError as error:
        raise EvaluationError(f"{place}: {error}. The answer is {shown(content)}") from error
    except RecursionError as error:
        raise EvaluationError(f"{place}: the answer nests too deeply") from error
    if answer is None:
        at = f"at {pointer or 'the top'} of the answer" if pointer is not None else "in the answer"
        remedy = (
            "Name another place" if pointer is not None else f"Known are: {KNOWN_SHAPES}. Otherwise say where it is"
        )
        raise EvaluationError(
            f"{place}: no class found {at} {shown(content)}. {remedy} with --answer POINTER, like --answer /label."
        )
    return answer


def _read_result_file(place: str, folder: Path, location: object) -> tuple[Any, str]:
    if not isinstance(location, str) or not location.strip():
        raise EvaluationError(f"{place}: {_LOCATION_KEY} must be the path of a file, not {shown(location)}")
    if _REMOTE.match(location.strip()):
        raise EvaluationError(
            f"{place}: {_LOCATION_KEY} {location.strip()} is not on this machine. Download the results, and let "
            f"{_LOCATION_KEY} be a path relative to the manifest's folder."
        )
    path = folder / location.strip()
    try:
        if not path.is_file():  # also no device and no pipe, which might never end
            raise EvaluationError(f"{place}: {_LOCATION_KEY}: {path}: no such file")
        content = path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{place}: {_LOCATION_KEY}: {path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # a path with a NUL character
        raise EvaluationError(f"{place}: {_LOCATION_KEY}: {shown(location)} is no path: {error}") from error
    return parse_json(content, str(path)), f"{path} (named in {place})"
