"""New versions under load: no request is lost, and every answer is that of the version it names."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from .conftest import Client, Starts, free_port, wait_until

CLIENTS = 8


class Load:
    """Clients that predict until they are told to stop."""

    def __init__(self, port: int):
        self.answers: Counter[tuple[int, float]] = Counter()
        self.failures: list[str] = []
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._drive, args=(port,)) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the clients end."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def seen(self, version: int) -> bool:
        """Whether a version has answered."""
        return any(answered == version for answered, _ in list(self.answers))

    def _drive(self, port: int) -> None:
        client = Client(f"127.0.0.1:{port}", "m")
        while not self._is_over.is_set():
            try:
                answer = client.predict(x=[[2.0]])
            except Exception as error:  # noqa: BLE001
                self.failures.append(str(error))
                continue
            with self._lock:
                self.answers[answer.model_spec.version.value, answer.outputs["y"].float_val[0]] += 1
        client.channel.close()


@pytest.mark.parametrize(
    ("versions", "seconds_each"), [(4, 1.0), pytest.param(12, 5.0, marks=[pytest.mark.slow, pytest.mark.timeout(200)])]
)
def test_versions_come_and_go_under_load(
    start: Starts, models: Path, tmp_path: Path, versions: int, seconds_each: float
) -> None:
    """Odd versions answer 3, even ones 4."""
    sources = {0: models / "half_plus_three" / "00000123", 1: models / "plus_two" / "00000123"}
    base_path = tmp_path / "m"
    shutil.copytree(sources[1], base_path / "1")
    port = free_port()
    server = start("plus_two", f"--port={port}", "--model_name=m", f"--model_base_path={base_path}")
    load = Load(port)
    try:
        for version in range(2, versions + 1):
            time.sleep(seconds_each)
            shutil.copytree(sources[version % 2], tmp_path / "next")
            (tmp_path / "next").rename(base_path / str(version))
        wait_until(lambda: load.seen(versions))
        time.sleep(seconds_each)
    finally:
        load.stop()
    assert load.failures == []
    assert {version for version, _ in load.answers} == set(range(1, versions + 1))
    assert all(value == (3.0 if version % 2 else 4.0) for version, value in load.answers)
    assert server.process.poll() is None
