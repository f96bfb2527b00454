"""Bounded pools of threads behind the event loop; one hand-over each way per request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Result = TypeVar("Result")

_Task = tuple[Callable[[], Result], asyncio.AbstractEventLoop, "asyncio.Future[Result]"]


class Lane(Generic[Result]):
    """``threads`` threads that run calls; at most ``threads + queue_length`` may be taken on at a time.

    Used from one event loop.
    """

    def __init__(self, name: str, threads: int, queue_length: int):
        self._capacity = threads + queue_length
        self._taken = 0
        self.finished = 0  # calls that have ended
        self._queue: SimpleQueue[_Task[Result]] = SimpleQueue()
        for index in range(threads):
            threading.Thread(target=self._work, name=f"{name}-{index}", daemon=True).start()

    @property
    def is_full(self) -> bool:
        """Whether there is no place at the moment."""
        return self._taken >= self._capacity

    def take_place(self) -> bool:
        """Reserve a place; False when the lane is full. Every True needs one :meth:`run`."""
        if self.is_full:
            return False
        self._taken += 1
        return True

    def run(self, call: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run ``call`` on the reserved place, which comes free when the call ends, even if nobody waits any more.

        ``call`` must not raise.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._queue.put((call, loop, future))
        return future

    def _work(self) -> None:
        while True:
            call, loop, future = self._queue.get()
            result = call()
            del call
            loop.call_soon_threadsafe(self._finish, future, result)
            del result, future

    def _finish(self, future: asyncio.Future[Result], result: Result) -> None:
        self._taken -= 1
        self.finished += 1
        if not future.done():
            future.set_result(result)
