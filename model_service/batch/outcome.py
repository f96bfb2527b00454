"""How a run ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model_service.errors import ModelServiceError


class CannotGoOn(ModelServiceError):
    """Something is wrong that is no item's fault: the run must stop, and can be taken up again."""


class TooManyFailures(ModelServiceError):
    """More items failed than --max-failures allows."""


@dataclass(frozen=True)
class Outcome:
    """What a run has come to.

    Attributes:
        items: how many items the input has.
        failed: how many of them have no answer.
        paths: what was written.
        items_per_second: the rate of this run; 0 when there was nothing left to do.
    """

    items: int
    failed: int
    paths: Sequence[Path]
    items_per_second: float
