"""A busy process with small requests keeps its Python threads on one processor for a second at a time.

Python threads take turns anyway. Spread over several processors, each turn wakes a thread on another one, and at half a
millisecond of work per request these wake-ups cost as much again as the work: kept together, processes answered 1.5 to
1.9 times the requests per second (tests/benchmarks). Requests that compute for longer, above all outside Python's
lock, gain from more processors; then the threads are left free, and so they are when the process is idle.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

_WINDOW_SECONDS = 1.0
_SETTLING_SECONDS = 0.01  # free for this long, the threads move to the processor that suits the scheduler
_LEAST_REQUESTS_PER_SECOND = 100
_TASKS = Path("/proc/self/task")


def keep_together(
    count_requests: Callable[[], int], small_request_seconds: float, threads: Callable[[], Iterable[int]]
) -> None:
    """Start watching; does nothing where the system cannot bind threads or there is only one processor.

    Args:
        count_requests: how many requests have been worked on so far.
        small_request_seconds: of processor time, all threads of the process together: what a small request takes less
            than.
        threads: the system's numbers of the threads to keep together.
    """
    if hasattr(os, "sched_setaffinity") and _TASKS.is_dir() and len(os.sched_getaffinity(0)) > 1:
        watch = (count_requests, small_request_seconds, threads)
        threading.Thread(target=_watch, args=watch, name="affinity", daemon=True).start()


def all_threads() -> list[int]:
    """Every thread of this process."""
    return [int(task.name) for task in _TASKS.iterdir()]


def python_threads(*native_names: str) -> list[int]:
    """The threads that Python knows, and native ones whose names begin like this."""
    found = [thread.native_id for thread in threading.enumerate() if thread.native_id is not None]
    for task in _TASKS.iterdir():
        try:
            if (task / "comm").read_text().startswith(native_names):
                found.append(int(task.name))
        except OSError:  # the thread has just ended
            continue
    return found


def is_worth_it(requests: int, cpu_seconds: float, window_seconds: float, small_request_seconds: float) -> bool:
    """Whether a window had many small requests."""
    return requests >= _LEAST_REQUESTS_PER_SECOND * window_seconds and cpu_seconds < small_request_seconds * requests


def _watch(
    count_requests: Callable[[], int], small_request_seconds: float, threads: Callable[[], Iterable[int]]
) -> None:
    everywhere = os.sched_getaffinity(0)
    is_bound = False
    while True:
        requests, cpu_seconds, started = count_requests(), time.process_time(), time.monotonic()
        time.sleep(_WINDOW_SECONDS)
        window = time.monotonic() - started
        if is_bound:
            _bind(all_threads(), everywhere)
        is_bound = is_worth_it(
            count_requests() - requests, time.process_time() - cpu_seconds, window, small_request_seconds
        )
        if is_bound:
            before = {thread: _cpu_and_processor(thread)[0] for thread in threads()}
            time.sleep(_SETTLING_SECONDS)
            _bind(before, {_processor_of_busiest(before)})


def _bind(threads: Iterable[int], processors: Collection[int]) -> None:
    for thread in threads:
        try:
            os.sched_setaffinity(thread, processors)
        except OSError:  # the thread has just ended, or the processor was taken from us
            continue


def _processor_of_busiest(cpu_before: dict[int, int]) -> int:
    """Where the thread that worked most since then has run last."""
    now = {thread: _cpu_and_processor(thread) for thread in cpu_before}
    busiest = max(now, key=lambda thread: now[thread][0] - cpu_before[thread])
    return now[busiest][1]


def _cpu_and_processor(thread: int) -> tuple[int, int]:
    """Nanoseconds of processor time so far, and the processor of last; zeros for a thread that has ended."""
    try:
        nanoseconds = int((_TASKS / str(thread) / "schedstat").read_text().split()[0])
        processor = int((_TASKS / str(thread) / "stat").read_text().rsplit(")", 1)[1].split()[36])
    except OSError:
        return 0, 0
    return nanoseconds, processor
