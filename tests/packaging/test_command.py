"""How the commands end: by signals, for readers that stop, and on names that no terminal can show."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.command import EXIT_INTERRUPTED, printable, typed
from tests.conftest import MakePackage, quiet_environment
from tests.processes import child_ids

SavedModels = Callable[[str], Path]

COMMAND = (sys.executable, "-m", "model_service.cli")
PATIENCE_SECONDS = 30.0


def wait_for(is_so: Callable[[], object], what: str) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < limit, what
        time.sleep(0.02)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_SECONDS,
        check=False,
        env=quiet_environment(),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_ended_leaves_nothing(saved_model: SavedModels, tmp_path: Path, number: signal.Signals) -> None:
    """While it asks the model for the contract; the model server that it started ends, too."""
    arguments = ["package", "build", "--model", str(saved_model("digits")), "--output", str(tmp_path / "out")]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet_environment()
    ) as process:
        wait_for(lambda: child_ids(process.pid), "no model server was started")
        servers = child_ids(process.pid)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, out) == (EXIT_INTERRUPTED, "")
    assert err.splitlines()[-1] == "model-service package build: interrupted"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in servers), "the model server goes on")


def test_init_ends_the_script_that_it_runs(tmp_path: Path) -> None:
    arguments = ["init", str(tmp_path / "mine"), "--template", "image-classification"]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet_environment()
    ) as process:
        wait_for(lambda: child_ids(process.pid, "make_model.py"), "no script was started")
        (script,) = child_ids(process.pid, "make_model.py")
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, err) == (EXIT_INTERRUPTED, "model-service init: interrupted\n")
    wait_for(lambda: not Path(f"/proc/{script}").exists(), "the script goes on")
    assert not (tmp_path / "mine" / "model" / "saved_model.pb").exists()


@pytest.mark.parametrize("command", ["inspect", "diff"])
def test_a_reader_may_stop_reading(make_package: MakePackage, tmp_path: Path, command: str) -> None:
    package = make_package("digits", "digits")
    other = Path(shutil.copytree(package, tmp_path / "other"))
    (other / "model" / "notes.py").write_text("x = 1\n" * 50_000)
    arguments = [package, other] if command == "diff" else [other]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "package", command, *map(str, arguments)],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=PATIENCE_SECONDS,
        check=False,
        env=quiet_environment(),
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_names_that_are_no_text(make_package: MakePackage, tmp_path: Path) -> None:
    package = Path(shutil.copytree(make_package("digits"), tmp_path / os.fsdecode(b"caf\xff")))
    command = [*COMMAND, "package", "inspect", str(package)]
    environment = {**quiet_environment(), "PYTHONUTF8": "1"}
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"caf\\udcff" in done.stdout


@pytest.mark.parametrize("command", ["inspect", "archive", "requirements", "image", "kubernetes", "init"])
def test_a_name_that_is_too_long_is_told(tmp_path: Path, command: str) -> None:
    path = tmp_path / ("x" * 300)
    arguments: list[str | Path] = (
        ["init", path, "--template", "custom"] if command == "init" else ["package", command, path]
    )
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"model-service {'init' if command == 'init' else f'package {command}'}: {path}")
    assert "Traceback" not in done.stderr


def test_a_name_in_an_error_cannot_command_the_terminal(tmp_path: Path) -> None:
    done = run("package", "inspect", tmp_path / "\x1b[2J\x9b1m")
    assert (done.returncode, done.stderr.isascii()) == (2, True)
    assert r"\x1b[2J\x9b1m: no such folder" in done.stderr
    assert printable("a\tb\nc é\u202e") == "a\tb\nc é\\u202e"


def test_paths_are_shown_as_they_are_typed() -> None:
    assert typed(Path("a b")) == "'a b'"
    assert typed(Path("-a")) == "./-a"
    assert typed(Path("/a/b")) == "/a/b"
