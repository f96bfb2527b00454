"""Which label belongs to which prediction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_service.evaluation.class_names import in_order, is_number, shown
from model_service.evaluation.errors import EvaluationError
from model_service.evaluation.labels import Labels
from model_service.evaluation.predictions import Predictions
from model_service.evaluation.score_table import ScoreTable

FAILED = -1
BY_ORDER = "order"
BY_SOURCE = "source"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class Comparison:
    """Truth and prediction of N items, in the order of the predictions.

    Attributes:
        classes: K names, all that are true or predicted somewhere.
        truth: [N] positions in ``classes``.
        predicted: [N] positions in ``classes``, :data:`FAILED` for an item that failed.
        joined_by: :data:`BY_ORDER` or :data:`BY_SOURCE`.
        sources: N names of inputs, or None.
        failures: position of an item -> why it failed.
        scores: a table of N rows, or None.
    """

    classes: tuple[str, ...]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    joined_by: str = BY_ORDER
    sources: tuple[str, ...] | None = None
    failures: dict[int, str] = field(default_factory=dict)
    scores: ScoreTable | None = None

    @property
    def wrong_answers(self) -> NDArray[np.intp]:
        """The positions of items that were answered, and wrongly."""
        return np.flatnonzero((self.truth != self.predicted) & (self.predicted != FAILED))


def join(predictions: Predictions, labels: Labels) -> Comparison:
    """Give each prediction its label: by source where both name theirs, else by order.

    Sources that are not equal as a whole match by the end of their paths, if only one label ends so.

    Raises:
        EvaluationError: not as many labels as predictions, a source without a label or with two, or class numbers on
            one side and class names on the other.
    """
    if len(predictions.names) != len(labels.names):
        raise EvaluationError(
            f"{predictions.path} holds {len(predictions.names)} predictions but {labels.path} holds "
            f"{len(labels.names)} labels. Both must be of the same items."
        )
    truth: Sequence[str] = labels.names
    joined_by = BY_ORDER
    if predictions.sources is not None and labels.sources is not None:
        joined_by = BY_SOURCE
        truth = _labels_by_source(predictions.sources, labels.sources, labels)
    _refuse_numbers_against_names(predictions, labels)
    known = [name for name in predictions.names if name is not None]
    classes = in_order([*truth, *known])
    positions = {name: position for position, name in enumerate(classes)}
    return Comparison(
        classes,
        truth=np.array([positions[name] for name in truth], np.intp),
        predicted=np.array([FAILED if name is None else positions[name] for name in predictions.names], np.intp),
        joined_by=joined_by,
        sources=predictions.sources or labels.sources,
        failures=predictions.failures,
        scores=predictions.scores,
    )


def _refuse_numbers_against_names(predictions: Predictions, labels: Labels) -> None:
    predicted = {name for name in predictions.names if name is not None}
    true = set(labels.names)
    kinds = [{is_number(name) for name in names} for names in (predicted, true)]
    if len(kinds[0]) == len(kinds[1]) == 1 and kinds[0] != kinds[1]:
        examples = [shown(in_order(names)[:3]) for names in (predicted, true)]
        raise EvaluationError(
            f"no prediction can match a label: {predictions.path} says {examples[0]}, {labels.path} says "
            f"{examples[1]}. Give both as numbers or both as names."
        )


def _labels_by_source(wanted: Sequence[str], sources: Sequence[str], labels: Labels) -> list[str]:
    known: dict[str, str] = {}
    for source, name in zip(sources, labels.names, strict=True):
        if known.setdefault(source, name) != name:
            raise EvaluationError(f"{labels.path}: {source} stands there twice, as {known[source]} and as {name}")
    by_end = _PathEnds(known)
    taken: dict[str, str] = {}
    truth = []
    for source in wanted:
        match = source if source in known else _by_end(source, by_end, labels)
        if taken.setdefault(match, source) != source:
            raise EvaluationError(f"{labels.path}: {match} is the label for both {taken[match]} and {source}")
        truth.append(known[match])
    return truth


class _PathEnds:
    """Sources by the last 1, 2, ... parts of their paths; each table is made when it is first asked for."""

    def __init__(self, sources: Iterable[str]):
        self._sources = [(_parts(source), source) for source in sources]
        self._tables: dict[int, dict[tuple[str, ...], list[str]]] = {}

    def ending_with(self, parts: tuple[str, ...]) -> list[str]:
        table = self._tables.get(len(parts))
        if table is None:
            table = self._tables[len(parts)] = {}
            for all_parts, source in self._sources:
                table.setdefault(all_parts[-len(parts) :], []).append(source)
        return table.get(parts, [])


def _by_end(source: str, sources: _PathEnds, labels: Labels) -> str:
    """Find the one label whose source shares the most of the end of its path."""
    parts = _parts(source)
    candidates: list[str] = []
    for count in range(1, len(parts) + 1):
        closer = sources.ending_with(parts[-count:])
        candidates = closer or candidates
        if len(closer) < 2:
            break
    if not candidates:
        raise EvaluationError(f"{labels.path}: has no label for {source}")
    if len(candidates) > 1:
        raise EvaluationError(
            f"{labels.path}: {source} may be any of {len(candidates)} sources: {', '.join(candidates[:3])}. "
            "Let labels and predictions name their sources alike."
        )
    return candidates[0]


def _parts(source: str) -> tuple[str, ...]:
    return tuple(part for part in _SCHEME.sub("", source).split("/") if part not in ("", ".")) or (source,)
