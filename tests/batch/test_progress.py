"""What a person sees while a run goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from model_service.batch import progress
from model_service.batch.items import BatchResult
from model_service.batch.progress import CountingProgress, Progress


def read_terminal(descriptor: int) -> str:
    content = b""
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # the other end is closed
            return content.decode()
        if not chunk:
            return content.decode()
        content += chunk


def test_a_terminal_shows_a_bar_with_rate_time_left_and_failures(
    logged_rows: Path, write_rows: Callable[..., Path], tmp_path: Path, digits_server: str
) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    rows = write_rows(200, faults={7: "raise"})
    command = [sys.executable, "-m", "model_service.cli", "batch", str(logged_rows), "--input", str(rows)]
    flags = ["--output", str(tmp_path / "out"), "--backend", digits_server, "--batch-size", "16"]
    environment = {**os.environ, "ITEM_SECONDS": "0.005"}
    with subprocess.Popen([*command, *flags], stdout=subprocess.DEVNULL, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = read_terminal(ours)
    os.close(ours)
    assert process.returncode == 1
    assert "failed: rows.jsonl#8: ValueError: no such thing as 0.007" in shown
    bars = [line for line in shown.split("\r") if "/200 [" in line]
    assert "item/s" in bars[-1]
    assert "failed=1" in bars[-1]
    assert "200/200" in bars[-1]


def test_elsewhere_there_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    with Progress(total=100, done=20, failed=1, is_quiet=False) as shown:
        shown.add(BatchResult(2, 10, 1, b"", first_failures=(("a.png", "broken"),)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        "model-service batch: going on after 20 of 100 items",
        "model-service batch: failed: a.png: broken",
    ]
    assert lines[2].startswith("model-service batch: 30 of 100 items, 2 failed, ")
    assert lines[2].endswith(" s left")
    CountingProgress(is_quiet=False)(1024)
    assert "1024 items counted so far" in capsys.readouterr().err


def test_ten_failures_are_shown_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(total=100, done=0, failed=0, is_quiet=True) as shown:
        for number in range(3):
            failures = tuple((f"{number}-{place}", "broken") for place in range(7))
            shown.add(BatchResult(number, 10, 7, b"", first_failures=failures))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[9] == "model-service batch: failed: 1-2: broken"
    assert lines[10] == "model-service batch: further failures are not shown; they are in the results"
