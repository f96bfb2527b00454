"""A manifest whose sources are links, and a web server that goes away and comes back."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.batch.conftest import Command
from tests.batch.test_faults import has_begun, wait_until
from tests.conftest import MakePackage


@contextmanager
def web_server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The standard library's, on a port that was free."""
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def write_manifest(folder: Path, port: int, names: list[str]) -> Path:
    manifest = folder / "links.manifest"
    lines = [json.dumps({"source": f"http://127.0.0.1:{port}/{name}?signature=a%2Fb"}) for name in names]
    manifest.write_text("\n".join(lines))
    return manifest


def test_links_are_followed_and_an_outage_stops_the_run_until_it_is_over(
    make_package: MakePackage, tmp_path: Path, digits_server: str, port: int
) -> None:
    package = make_package("digits", model="digits")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    names = [f"{number:03}.png" for number in range(160)]
    for number, name in enumerate(names):
        Image.new("L", (28, 28), number).save(pictures / name)
    names[5] = "absent.png"
    manifest = write_manifest(tmp_path, port, names)
    flags = ("--backend", digits_server, "--batch-size", "4", "--workers", "1", "--in-flight", "1")
    command = Command(package, manifest, tmp_path / "out", (*flags, "--patience", "1"))
    with web_server(pictures, port) as first, command.start() as process:
        wait_until(lambda: has_begun(command), "the first batch")
        first.kill()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2, stderr
    assert "for 1 s (--patience)" in stderr
    assert "Traceback" not in stderr
    with web_server(pictures, port):
        done = Command(package, manifest, command.output, flags).run()
    assert done.status == 1
    assert "160 items: 159 answered, 1 failed" in done.stdout
    failed = [line for line in command.lines() if line["result"] == "FAILED"]
    assert [line["item"] for line in failed] == [5]
    assert "absent.png" in failed[0]["error_message"]
