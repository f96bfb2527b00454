"""Service instances, each lent to one request at a time (design D3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from model_service.errors import DeadlinePassed

Instance = TypeVar("Instance")


class InstancePool(Generic[Instance]):
    """At most ``size`` instances, made when they are needed; the first at once, so that its faults show at start.

    Raises:
        Exception: whatever the author's constructor raises.
    """

    def __init__(self, make: Callable[[], Instance], size: int):
        self._make = make
        self._idle: list[Instance] = [make()]
        self._unmade = size - 1
        self._returned = threading.Condition()

    @contextmanager
    def lend(self, wait_seconds: float) -> Iterator[Instance]:
        """Lend an instance for the length of a ``with`` block.

        Raises:
            DeadlinePassed: none came free in ``wait_seconds``.
        """
        instance = self._take(wait_seconds)
        try:
            yield instance
        finally:
            with self._returned:
                self._idle.append(instance)
                self._returned.notify()

    def _take(self, wait_seconds: float) -> Instance:
        deadline = time.monotonic() + wait_seconds
        with self._returned:
            while not self._idle and self._unmade == 0:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise DeadlinePassed("no instance of the service came free in time")
                self._returned.wait(remaining)
            if self._idle:
                return self._idle.pop()
            self._unmade -= 1
        try:
            return self._make()
        except BaseException:
            with self._returned:
                self._unmade += 1
                self._returned.notify()
            raise
