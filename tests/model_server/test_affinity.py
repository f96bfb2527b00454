"""While calls are many and small, all threads but TensorFlow's keep to one processor."""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from .conftest import Connects, ServerProcess, Starts, wait_until

pytestmark = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")


def processors(server: ServerProcess) -> Counter[str]:
    """How many threads may run where, as the kernel lists the processors."""
    found: Counter[str] = Counter()
    for task in Path(f"/proc/{server.process.pid}/task").iterdir():
        lines = (task / "status").read_text().splitlines()
        found.update(line.split()[1] for line in lines if line.startswith("Cpus_allowed_list:"))
    return found


def test_threads_are_together_while_calls_are_many(start: Starts, connect: Connects) -> None:
    server = start("plus_two")
    client = connect(server)
    (everywhere,) = processors(server)
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            client.predict(x=[[2.0]])

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        wait_until(lambda: any(listed.isdigit() for listed in processors(server)))
        assert processors(server)[everywhere] > 0  # TensorFlow's
    finally:
        is_over.set()
        asking.join()
    wait_until(lambda: set(processors(server)) == {everywhere})


def test_threads_can_be_left_alone(start: Starts, connect: Connects) -> None:
    server = start("plus_two", "--keep_threads_together=false")
    client = connect(server)
    before = processors(server)
    for _ in range(3000):
        client.predict(x=[[2.0]])
    assert set(processors(server)) == set(before)
