"""A run that is killed at any moment, and taken up again by the same command, leaves what an undisturbed one leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.conftest import Command

WriteRows = Callable[..., Path]

ITEMS = 1000
BATCH_SIZE = 8
ITEM_SECONDS = "0.01"
KILLS = 20


def journal_batches(output: Path) -> int:
    """How many batches the journal says are done."""
    journal = output / ".model-service-batch" / "journal.jsonl"
    if not journal.exists():
        return 0
    whole_lines = journal.read_bytes().split(b"\n")[:-1]
    return sum("batch" in json.loads(line) for line in whole_lines)


def logged(log: Path) -> Counter[float]:
    """How often the hooks have seen each item, by its number."""
    return Counter(map(float, log.read_text().split())) if log.exists() else Counter()


def wait_for_batches(output: Path, wanted: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while journal_batches(output) < wanted and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.timeout(240)
def test_killed_at_twenty_random_moments(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    rows = write_rows(ITEMS, faults={77: "raise"})
    flags = ("--backend", digits_server, "--batch-size", str(BATCH_SIZE))
    undisturbed = Command(logged_rows, rows, tmp_path / "undisturbed", flags)
    assert undisturbed.run(ITEM_SECONDS=ITEM_SECONDS).status == 1

    command = Command(logged_rows, rows, tmp_path / "killed", flags)
    log = tmp_path / "log"
    moments = random.Random(20191121)
    resumed_at = set()
    for _ in range(KILLS):
        done_before = journal_batches(command.output)
        seen_before = logged(log)
        with command.start(ITEM_LOG=str(log), ITEM_SECONDS=ITEM_SECONDS) as process:
            wait_for_batches(command.output, done_before + moments.randrange(7), process)
            time.sleep(moments.uniform(0, 0.1))
            os.kill(process.pid, signal.SIGKILL)
        assert journal_batches(command.output) >= done_before
        resumed_at.add(journal_batches(command.output))
        for index in range(done_before * BATCH_SIZE):  # no finished batch is computed again
            assert logged(log)[index / 1000] == seen_before[index / 1000]
    assert len(resumed_at) > KILLS // 2  # else the kills came before or after the work

    last = command.run(ITEM_LOG=str(log), ITEM_SECONDS=ITEM_SECONDS)
    assert last.status == 1
    assert f"{ITEMS} items: {ITEMS - 1} answered, 1 failed" in last.stdout
    assert sorted(logged(log)) == [index / 1000 for index in range(ITEMS)]
    name = "predictions.jsonl"
    assert (command.output / name).read_bytes() == (undisturbed.output / name).read_bytes()


def test_interrupted_by_a_signal(logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str) -> None:
    flags = ("--backend", digits_server, "--batch-size", str(BATCH_SIZE))
    command = Command(logged_rows, write_rows(ITEMS), tmp_path / "out", flags)
    for number in (signal.SIGINT, signal.SIGTERM):
        with command.start(ITEM_SECONDS="0.02") as process:
            done_before = journal_batches(command.output)
            wait_for_batches(command.output, done_before + 2, process)
            os.kill(process.pid, number)
            _, stderr = process.communicate(timeout=30)
        assert process.returncode == 2
        assert "interrupted; run the same command again to go on" in stderr
        assert "Traceback" not in stderr
    done = command.run()
    assert done.status == 0
    assert len(command.lines()) == ITEMS


def test_nothing_is_left_of_a_killed_run(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    flags = ("--backend", digits_server)
    command = Command(logged_rows, write_rows(ITEMS), tmp_path / "out", flags)
    with command.start(ITEM_SECONDS="0.05", TMPDIR=str(scratch)) as process:
        deadline = time.monotonic() + 30
        while not list(scratch.glob("*/worker-*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert list(scratch.iterdir())
    assert command.run(TMPDIR=str(scratch)).status == 0
    assert list(scratch.iterdir()) == []
