"""Requests to a package in child processes: one that has ended is replaced."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from model_packaging.check.running.observation import Observation, parse_observation
from model_packaging.check.running.plan import ChildPlan
from model_packaging.check.running.process import ChildEnded, ChildProcess
from model_packaging.check.running.requests import PlannedRequest

_MAX_STARTS = 4


class LoadRefused(Exception):
    """The package cannot be loaded; the message says why."""


class NoTimeLeft(Exception):
    """The requests together took too long, or too many processes have ended."""


class Session:
    """A package that is sent requests; it begins to load at once.

    Attributes:
        instances: how many requests it works on at once.
        peak_bytes: the most resident memory of any of its processes, with all below it.
    """

    def __init__(self, plan: ChildPlan):
        self._plan = plan
        self._deadline: float | None = None
        self._starts = 1
        self._has_loaded = False
        self.instances = 0
        self._past_peak_bytes = 0
        self._child = ChildProcess(plan)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._child.close()

    @property
    def peak_bytes(self) -> int:
        """The most resident memory so far."""
        return max(self._past_peak_bytes, self._child.peak_bytes)

    def load(self) -> None:
        """Wait until the package is loaded.

        Raises:
            LoadRefused: it cannot be.
            ChildEnded: it has ended its process.
        """
        loaded = self._child.wait_until_loaded()
        if "refused" in loaded:
            raise LoadRefused(str(loaded["refused"]))
        self.instances = int(loaded.get("instances", 1))
        self._has_loaded = True

    def send(self, request: PlannedRequest, with_scaled: bool = False) -> Observation:
        """Run one request.

        Raises:
            ChildEnded: the process has ended in it; the next request gets a new one.
            NoTimeLeft: nothing more is sent.
        """
        return self._parsed(self._ask({"body": request.body.as_json(), "with_scaled": with_scaled}))

    def send_together(self, requests: Sequence[PlannedRequest]) -> list[Observation]:
        """Run requests at the same time; raises what :meth:`send` raises."""
        reply = self._ask({"together": [request.body.as_json() for request in requests]})
        return [self._parsed(each) for each in reply.get("together", [])]

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._deadline is None:
            self._deadline = time.monotonic() + self._plan.limits.total_seconds
        if time.monotonic() > self._deadline:
            raise NoTimeLeft(f"they took more than {self._plan.limits.total_seconds:g} s")
        if not self._has_loaded:
            self._replace()
        try:
            return self._child.ask(message)
        except ChildEnded:
            self._has_loaded = False
            raise

    def _replace(self) -> None:
        if self._starts == _MAX_STARTS:
            raise NoTimeLeft(f"{_MAX_STARTS} processes have ended")
        self._past_peak_bytes = self.peak_bytes
        self._child.close()
        self._starts += 1
        self._child = ChildProcess(self._plan)
        try:
            self.load()
        except LoadRefused as error:  # it was loaded before
            raise NoTimeLeft(str(error)) from error

    def _parsed(self, content: Any) -> Observation:
        try:
            return parse_observation(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._has_loaded = False
            raise ChildEnded("died", f"wrote into a socket of ours: {error}", "") from error
