"""The order in which requests are sent, and what is judged of each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from tqdm import tqdm

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place, Severity
from model_packaging.check.running.judge_answers import (
    first_difference,
    judge_answer,
    judge_repetition,
    judge_together,
    judge_two,
)
from model_packaging.check.running.judge_failures import judge_end, judge_failure
from model_packaging.check.running.judge_pictures import judge_pictures
from model_packaging.check.running.judge_tensors import judge_declared_range, judge_element_types, judge_scaling
from model_packaging.check.running.observation import PHASES, Observation
from model_packaging.check.running.process import ChildEnded
from model_packaging.check.running.requests import PlannedRequest, Purpose, RequestPlan
from model_packaging.check.running.session import NoTimeLeft, Session
from model_packaging.check.subject import Subject
from model_service.inference.service_plan import ServicePlan

_ROUNDS_TOGETHER = 4
_TOGETHER = 8
_SLOW_SECONDS = 2.0  # of all that run at the same time, one after the other; they are then tried once only

Seen = list[tuple[PlannedRequest, Observation]]


class Exercise:
    """One package being sent all its requests.

    Attributes:
        findings: what was found so far; of each code and place one.
        answered: the requests that a caller would get an answer or a refusal to, with status and answer.
    """

    def __init__(self, subject: Subject, plan: ServicePlan, session: Session):
        self._subject = subject
        self._has_own_inference = plan.traits.has_own_inference
        self._session = session
        self._seen: Seen = []
        self.findings: list[Finding] = []
        self.answered: list[tuple[PlannedRequest, int, object]] = []

    def run(self, requests: RequestPlan) -> None:
        """Send everything; ends early when the package does not answer at all."""
        if requests.problem:
            self._add(finding("needs-sample", Place("config.json", pointer="/apis/0/request/data"), requests.problem))
        if not requests.base:
            return
        total = 2 * len(requests.base) + len(requests.others) + len(requests.drawings) + _ROUNDS_TOGETHER
        with tqdm(total=total, desc="check", unit="request", leave=False, disable=not sys.stderr.isatty()) as bar:
            self._bar = bar
            try:
                self._run(requests)
            except NoTimeLeft as reason:
                self._add(finding("cut-short", Place(), f"after {len(self._seen)} of {total} requests: {reason}"))

    def measurements(self) -> dict[str, float]:
        """Median seconds of each hook over all answered requests."""
        found = {}
        for phase in PHASES:
            seconds = [each.seconds[phase] for _, each in self._seen if each.is_answered and phase in each.seconds]
            if seconds:
                found[f"{phase} seconds"] = median(seconds)
        return {**found, "requests": float(len(self._seen))}

    def _run(self, requests: RequestPlan) -> None:
        bases = [(request, self._send(request)) for request in requests.base]
        answered = [(request, seen) for request, seen in bases if seen is not None and seen.is_answered]
        if not answered:
            return
        base_request, base = answered[0]
        if not self._has_own_inference:
            for each in judge_element_types(base, self._subject):
                self._add(each)
        again = self._send(base_request, is_judged=False)
        drawings = self._send_all(requests.drawings, with_scaled=not self._has_own_inference)
        others = self._send_all(requests.others)
        after_other = self._send(base_request, is_judged=False) if len(self._seen) > 2 else None
        unrepeatable = [] if again is None else judge_repetition(base_request.title, base, again, after_other)
        for each in unrepeatable:
            self._add(each)
        is_repeatable = again is not None and _same_tensors(base, again)
        pictured = [each for request, each in answered if request.purpose is Purpose.BASE]
        if pictured:
            self._judge_pictures(pictured[0], drawings, others, is_repeatable)
        if again is not None and not unrepeatable:  # else threads prove nothing
            self._run_together([*answered[:1], *drawings, *_plain(others), *answered[1:]])

    def _judge_pictures(self, base: Observation, drawings: Seen, others: Seen, is_repeatable: bool) -> None:
        observations = [base, *(seen for _, seen in drawings)]
        found = judge_declared_range(observations, self._subject.config.content)
        if not self._subject.config.content.get("tensors"):  # a package that says its range needs no guess
            found = judge_scaling([seen for _, seen in drawings if seen.is_answered])
        pictures = [(request.picture, seen) for request, seen in others if request.purpose is Purpose.PICTURE]
        of_pictures = judge_pictures(base, [(each, seen) for each, seen in pictures if each is not None], is_repeatable)
        if self._subject.layout.service_path is None:  # nobody has a line to mend
            of_pictures = [each for each in of_pictures if each.severity is not Severity.NOTE]
        found += of_pictures
        for request, seen in others:
            if request.purpose is Purpose.TWO and len(drawings) > 1:
                found += self._judge_two(request, drawings, seen)
        for each in found:
            self._add(each)

    def _judge_two(self, request: PlannedRequest, drawings: Seen, both: Observation) -> list[Finding]:
        if both.failure is None:
            return judge_two(drawings[0][1], drawings[1][1], both)
        if both.failure.is_deliberate:
            return []
        inputs = self._subject.signature.inputs.values() if self._subject.signature else ()
        fixed = [spec for spec in inputs if spec.shape and spec.shape[0] == 1]
        text = f"{request.title}: {both.status}, {both.failure.text}"
        if fixed and both.failure.phase == "_inference":
            return [
                finding("fixed-batch", Place("saved_model.pb"), f"the model takes one row only ({fixed[0]}); {text}")
            ]
        return [finding("two-files", Place(both.failure.file or "customize_service.py", both.failure.line), text)]

    def _run_together(self, seen: Seen) -> None:
        if self._session.instances < 2:
            return
        chosen = [(request, each) for request, each in seen if each.is_answered]
        if not chosen:
            return
        chosen = [chosen[index % len(chosen)] for index in range(_TOGETHER)]
        titles, alone = [request.title for request, _ in chosen], [each for _, each in chosen]
        is_slow = sum(seen.seconds.get(phase, 0.0) for _, seen in chosen for phase in PHASES) > _SLOW_SECONDS
        for _ in range(1 if is_slow else _ROUNDS_TOGETHER):
            try:
                together = self._session.send_together([request for request, _ in chosen])
            except ChildEnded as ended:
                self._add(judge_end(f"{len(chosen)} requests at the same time", ended, self._subject))
                return
            self._bar.update()
            found = judge_together(titles, alone, together)
            if found and self._is_still_the_same(chosen):
                self._add(found[0])
                return

    def _is_still_the_same(self, chosen: Seen) -> bool:
        """Whether the requests, one after the other, are still answered as before: else it was no matter of threads."""
        for request, before in chosen:
            now = self._send(request, is_judged=False)
            if now is None or first_difference(before, now) is not None:
                return False
        return True

    def _send_all(self, requests: Sequence[PlannedRequest], with_scaled: bool = False) -> Seen:
        found = []
        for request in requests:
            seen = self._send(request, with_scaled=with_scaled)
            if seen is not None:
                found.append((request, seen))
        return found

    def _send(self, request: PlannedRequest, is_judged: bool = True, with_scaled: bool = False) -> Observation | None:
        """Send one request and judge it by itself; None: the process has ended."""
        try:
            seen = self._session.send(request, with_scaled)
        except ChildEnded as ended:
            self._add(judge_end(request.title, ended, self._subject))
            return None
        finally:
            self._bar.update()
        self._seen.append((request, seen))
        if not is_judged:
            return seen
        self.answered.append((request, seen.status, seen.answer))
        for each in judge_answer(request.title, seen, request.purpose in (Purpose.BASE, Purpose.SAMPLE)):
            self._add(each)
        if request.purpose not in (Purpose.PICTURE, Purpose.TWO):
            found = judge_failure(request, seen, self._subject)
            if found is not None:
                self._add(found)
        return seen

    def _add(self, new: Finding) -> None:
        """Take a finding; one fault is told once, of the first request that shows it."""
        if not any(each.code == new.code and each.place == new.place for each in self.findings):
            self.findings.append(new)


def _same_tensors(one: Observation, other: Observation) -> bool:
    digests = [
        {name: each.digest for name, each in seen.tensors.get("_preprocess", {}).items()} for seen in (one, other)
    ]
    return digests[0] == digests[1]


def _plain(seen: Seen) -> Seen:
    return [(request, each) for request, each in seen if request.purpose in (Purpose.BORDER, Purpose.ABSENT)]
