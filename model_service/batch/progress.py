"""What a person sees of a run: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from model_service.batch.items import BatchResult

_LINE_SECONDS = 10.0
_SHOWN_FAILURES = 10


class Progress:
    """Counts items and shows them on standard error.

    Args:
        total: how many there are.
        done: how many an earlier run has done.
        failed: how many of those have no answer.
        is_quiet: show failures only.
    """

    def __init__(self, total: int, done: int, failed: int, is_quiet: bool):
        self._total = total
        self._at_start = done
        self._done = done
        self._failed = failed
        self._shown = 0
        self._is_quiet = is_quiet
        self._began = self._said = time.monotonic()
        self._bar: Any = None
        if not is_quiet and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit="item", file=sys.stderr, dynamic_ncols=True)

    def __enter__(self) -> Progress:
        if self._at_start and not self._is_quiet:
            self.say(f"going on after {self._at_start} of {self._total} items")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def items_per_second(self) -> float:
        """The rate of this run."""
        return (self._done - self._at_start) / max(time.monotonic() - self._began, 1e-9)

    def add(self, result: BatchResult) -> None:
        """Count a finished batch."""
        self._done += result.items
        self._failed += result.failed
        for source, reason in result.first_failures[: _SHOWN_FAILURES - self._shown]:
            self._shown += 1
            self.say(f"failed: {source}: {reason}")
            if self._shown == _SHOWN_FAILURES:
                self.say("further failures are not shown; they are in the results")
        if self._bar is not None:
            self._bar.set_postfix(failed=self._failed, refresh=False)
            self._bar.update(result.items)
        elif not self._is_quiet and time.monotonic() - self._said >= _LINE_SECONDS:
            self._said = time.monotonic()
            rate = self.items_per_second
            seconds_left = (self._total - self._done) / rate if rate else 0.0
            counts = f"{self._done} of {self._total} items, {self._failed} failed"
            self.say(f"{counts}, {rate:.1f} items/s, about {seconds_left:.0f} s left")

    def say(self, line: str) -> None:
        """Print a line beside the bar."""
        text = f"model-service batch: {line}"
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


class CountingProgress:
    """Says now and then how many items were counted, while a long input is looked through."""

    def __init__(self, is_quiet: bool):
        self._is_quiet = is_quiet
        self._said = time.monotonic()

    def __call__(self, count: int) -> None:
        """Hear of one more."""
        if count % 1024 == 0 and not self._is_quiet and time.monotonic() - self._said >= _LINE_SECONDS:
            self._said = time.monotonic()
            print(f"model-service batch: {count} items counted so far", file=sys.stderr, flush=True)
