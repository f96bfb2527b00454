"""A busy worker keeps to one processor, an idle one does not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model_service.client import Client
from model_service.host.affinity import is_worth_it

from .conftest import Serve


@pytest.mark.parametrize(
    ("requests", "cpu_seconds", "expected"),
    [(1000, 0.7, True), (99, 0.07, False), (1000, 3.5, False), (100, 0.29, True), (0, 0.0, False)],
)
def test_many_small_requests_are_worth_it(requests: int, cpu_seconds: float, expected: bool) -> None:
    assert is_worth_it(requests, cpu_seconds, 1.0, 0.003) is expected


def processors(pid: int) -> set[str]:
    """The processors that the threads of a process may run on, as the kernel lists them."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("Cpus_allowed_list:"):
                found.add(line.split()[1])
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.005)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_worker_is_bound_while_it_is_busy(serve: Serve) -> None:
    service = serve("echo")
    (worker,) = [int(pid) for pid in Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()]
    everywhere = processors(worker)
    assert len(everywhere) == 1
    stop = threading.Event()

    def ask() -> None:
        with Client(service.url) as client:
            while not stop.is_set():
                client.send({"a": 1})

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        wait_for(lambda: all(listed.isdigit() for listed in processors(worker)), "the worker to be bound")
    finally:
        stop.set()
        thread.join(10)
    wait_for(lambda: processors(worker) == everywhere, "the worker to be free again")
