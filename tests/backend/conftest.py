"""Model servers to find, start and lose."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent


def install_binary(folder: Path, variant: str) -> Path:
    """Put an executable tensorflow_model_server (see model_server_2_19.py) into a new folder; return its path."""
    folder.mkdir()
    binary = folder / "tensorflow_model_server"
    binary.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FOLDER / "model_server_2_19.py"}" {variant} "$@"\n')
    binary.chmod(0o755)
    return binary


def path_with(binary: Path) -> dict[str, str]:
    """The environment that finds ``binary`` on PATH first."""
    return {"PATH": f"{binary.parent}{os.pathsep}{os.environ['PATH']}"}


def free_port() -> int:
    """A TCP port nobody listens on."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def answering_command(address: str, *signatures: str) -> tuple[str, ...]:
    """What starts answering_server.py."""
    return (sys.executable, str(FOLDER / "answering_server.py"), address, *signatures)


@contextmanager
def answering_server(address: str, *signatures: str) -> Iterator[None]:
    """Run answering_server.py; it listens when the block begins, and is killed when it ends."""
    process = subprocess.Popen(answering_command(address, *signatures), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"answering")
        yield
    finally:
        process.kill()
        process.communicate(timeout=10)


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a condition holds, at most so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
