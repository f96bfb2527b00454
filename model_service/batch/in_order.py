"""Work done by several threads whose results come out in the order of what went in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")


def map_in_order(work: Callable[[Given], Made], given: Iterable[Given], threads: int) -> Iterator[Made]:
    """Call ``work`` on everything given.

    At most ``2 * threads`` things are held, done or not: so a slow one does not stop the others at once, and memory
    is bounded whatever the length of ``given``.

    Raises:
        Exception: the first that ``work`` or ``given`` raises, in order; what was not begun by then is not done.
    """
    pending: deque[Future[Made]] = deque()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="batch")
    try:
        for thing in given:
            pending.append(executor.submit(work, thing))
            if len(pending) >= 2 * threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
