"""Batch runs in processes of their own, as users start them, and one model server that many of them share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from model_service.backend.local import local_model_server
from tests.conftest import MakePackage, SavedModels

RUN_SECONDS = 90


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Command:
    """``model-service batch`` on one package, input and output."""

    package: Path
    input: Path
    output: Path
    flags: Sequence[str] = ()

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start it, in a process group of its own."""
        command = [sys.executable, "-m", "model_service.cli", "batch", str(self.package), "--input", str(self.input)]
        return subprocess.Popen(
            [*command, "--output", str(self.output), *self.flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **environment},
        )

    def run(self, **environment: str) -> Done:
        """Run it to its end."""
        with self.start(**environment) as process:
            stdout, stderr = process.communicate(timeout=RUN_SECONDS)
        assert "Traceback" not in stderr, stderr
        return Done(process.returncode, stdout, stderr)

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines it has left."""
        return [json.loads(line) for line in (self.output / "predictions.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="session")
def digits_server(saved_model: SavedModels) -> Iterator[str]:
    """The address of a running model server with the model ``digits``."""
    with local_model_server(saved_model("digits"), backend="embedded") as client:
        yield client.target


@pytest.fixture(scope="session")
def logged_rows(make_package: MakePackage) -> Path:
    """The package ``logged_rows``; not to be written to."""
    return make_package("logged_rows", model="digits")


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """``write_rows(count, faults={index: fault})`` is a file of JSON lines for the package ``logged_rows``."""

    def write(count: int, faults: dict[int, str] | None = None) -> Path:
        path = tmp_path / "rows.jsonl"
        with path.open("w", encoding="ascii") as file:
            for index in range(count):
                row: dict[str, Any] = {"x": index / 1000}
                if fault := (faults or {}).get(index):
                    row["fault"] = fault
                file.write(json.dumps(row) + "\n")
        return path

    return write
