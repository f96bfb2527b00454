"""A busy worker with small requests keeps to one processor for a second at a time.

Python threads take turns anyway. Spread over several processors, each turn wakes a thread on another one, and at half a
millisecond of work per request these wake-ups cost as much again as the work: kept together, a worker answered 1.5 to
1.9 times the requests per second (tests/benchmarks). Requests that compute for longer, above all outside Python's
lock, gain from more processors; then the worker is left free, and so it is when it is idle.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

_WINDOW_SECONDS = 1.0
_SETTLING_SECONDS = 0.01  # free for this long, the threads move to the processor that suits the scheduler
_LEAST_REQUESTS_PER_SECOND = 100
_SMALL_REQUEST_SECONDS = 0.003  # of processor time, all threads of the worker together
_TASKS = Path("/proc/self/task")


def keep_together(count_requests: Callable[[], int]) -> None:
    """Start watching; does nothing where the system cannot bind threads or there is only one processor.

    Args:
        count_requests: how many requests have been worked on so far.
    """
    if hasattr(os, "sched_setaffinity") and _TASKS.is_dir() and len(os.sched_getaffinity(0)) > 1:
        threading.Thread(target=_watch, args=(count_requests,), name="affinity", daemon=True).start()


def is_worth_it(requests: int, cpu_seconds: float, window_seconds: float) -> bool:
    """Whether a window had many small requests."""
    return requests >= _LEAST_REQUESTS_PER_SECOND * window_seconds and cpu_seconds < _SMALL_REQUEST_SECONDS * requests


def _watch(count_requests: Callable[[], int]) -> None:
    everywhere = os.sched_getaffinity(0)
    is_bound = False
    while True:
        requests, cpu_seconds, started = count_requests(), time.process_time(), time.monotonic()
        time.sleep(_WINDOW_SECONDS)
        window = time.monotonic() - started
        if is_bound:
            _bind_all_threads(everywhere)
        is_bound = is_worth_it(count_requests() - requests, time.process_time() - cpu_seconds, window)
        if is_bound:
            time.sleep(_SETTLING_SECONDS)
            _bind_all_threads({_processor_of_main_thread()})


def _bind_all_threads(processors: Collection[int]) -> None:
    for task in _TASKS.iterdir():
        try:
            os.sched_setaffinity(int(task.name), processors)
        except OSError:  # the thread has just ended, or the processor was taken from us
            continue


def _processor_of_main_thread() -> int:
    """Where the main thread ran last: field 39 of its stat."""
    return int((_TASKS / str(os.getpid()) / "stat").read_text().rsplit(")", 1)[1].split()[36])
