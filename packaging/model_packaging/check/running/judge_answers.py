"""From answers, and from the same request repeated, to what callers get that they should not."""

from __future__ import annotations

from collections.abc import Sequence

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.running.comparison import Difference, differences
from model_packaging.check.running.observation import PHASES, Observation

_SLOW_SECONDS = 1.0
_SERVICE = Place("customize_service.py")


def judge_answer(title: str, observation: Observation, is_usual: bool) -> list[Finding]:
    """Judge one answer by itself: is it JSON, does it keep the contract, was it quick for a usual request."""
    found: list[Finding] = []
    if not observation.is_answered:
        return found
    if observation.has_nan:
        found.append(
            finding("nan-in-answer", Place("answer", pointer=""), f"{title}: the answer holds NaN or Infinity")
        )
    if observation.violations:
        pointer, expected, got = observation.violations[0]
        more = f" (and {len(observation.violations) - 1} more places)" if len(observation.violations) > 1 else ""
        message = f"{title}: expected {expected}, got {got}{more}"
        found.append(finding("answer-breaks-contract", Place("answer", pointer=pointer), message))
    for phase in PHASES:
        seconds = observation.seconds.get(phase, 0.0)
        if is_usual and seconds > _SLOW_SECONDS:
            found.append(finding("slow-hook", _SERVICE, f"{title}: {phase} takes {seconds:.1f} s"))
    if observation.folder_problem:
        message = f"{title}: the working directory is then {observation.folder_problem}"
        found.append(finding("changes-folder", _SERVICE, message))
    return found


def first_difference(one: Observation, other: Observation) -> Difference | None:
    """Where two answers differ first, or their statuses; None: they are the same."""
    if one.status != other.status:
        was, now = (f"status {each.status}" for each in (one, other))
        return Difference("", was, now, True)
    found = differences(one.answer, other.answer)
    return found[0] if found else None


def judge_repetition(
    title: str, first: Observation, again: Observation, after_other: Observation | None
) -> list[Finding]:
    """Judge the answers to the same request: twice in a row, and after another one."""
    difference = first_difference(first, again)
    if difference is not None:
        code = "state-kept" if difference.is_structural else "not-deterministic"
        text = f"{title}, sent twice in a row: {difference}"
        return [finding(code, Place("answer", pointer=difference.pointer), text)]
    difference = first_difference(first, after_other) if after_other is not None else None
    if difference is not None:
        text = f"{title}, sent again after another request: {difference}"
        return [finding("state-kept", Place("answer", pointer=difference.pointer), text)]
    return []


def judge_together(
    titles: Sequence[str], alone: Sequence[Observation], together: Sequence[Observation]
) -> list[Finding]:
    """Judge the answers to requests that ran at the same time against those to the same ones, one after the other."""
    for index, (title, one, other) in enumerate(zip(titles, alone, together, strict=True)):
        difference = first_difference(one, other)
        if difference is not None:
            owner = next((i for i, each in enumerate(alone) if i != index and not first_difference(each, other)), None)
            whose = f"; that is the answer to {titles[owner]}" if owner is not None else ""
            why = f" ({other.failure.text})" if other.failure is not None else ""
            text = f"{title}, together with {len(titles) - 1} others: {difference}{why}{whose}"
            return [finding("not-thread-safe", Place("answer", pointer=difference.pointer), text)]
    return []


def judge_two(first: Observation, second: Observation, both: Observation) -> list[Finding]:
    """Judge two pictures in one field against each alone: are both answered."""
    if not (first.is_answered and second.is_answered and both.is_answered) or not first_difference(first, second):
        return []
    for name, one in (("first", first), ("last", second)):
        if first_difference(one, both) is None:
            text = f"two pictures in one field: the answer is that to the {name} alone"
            return [finding("only-one-answered", _SERVICE, text)]
    return []
