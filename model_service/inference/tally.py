"""Counting contract violations that are let through, and logging them without flooding the log."""

from __future__ import annotations

import logging
import threading
from collections import Counter

_log = logging.getLogger(__name__)

_MAX_KINDS = 1000  # pointers can hold what callers send; beyond this many, all others count as one


class ViolationTally:
    """Counts what breaks the contract on one side.

    A kind of violation is logged the first time, the 10th, the 100th, the 1,000th and every 1,000th time after.
    """

    def __init__(self, what: str):
        self._what = what
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """How many requests or answers broke the contract."""
        return sum(self._counts.values())

    def add(self, summary: str) -> None:
        """Count one; ``summary`` names the places and keywords, no values."""
        with self._lock:
            kind = summary if summary in self._counts or len(self._counts) < _MAX_KINDS else "(others)"
            self._counts[kind] += 1
            count = self._counts[kind]
        if count in (1, 10, 100) or count % 1000 == 0:
            _log.warning("%s breaks the contract (%d times so far): %s", self._what, count, kind)
