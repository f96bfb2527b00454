"""A service of our own for the length of a ``with`` block, in its own process on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_service.errors import ModelServiceError

_READY = re.compile(rb"ready: (http://\S+)")
_LISTENING = re.compile(rb"listening on (http://\S+)")
_STOP_SECONDS = 60
_POLL_SECONDS = 0.02


class ServiceNotStarted(ModelServiceError):
    """The service ended, or was not ready in time; the message has what it printed."""


@dataclass(frozen=True)
class LocalService:
    """A running service: its address, its process id, and what it has printed so far."""

    url: str
    pid: int
    output: bytearray

    def log_text(self) -> str:
        """Everything it has printed."""
        return self.output.decode("utf-8", "replace")


@contextmanager
def serve_package(
    package: Path,
    *flags: str,
    environ: Mapping[str, str] | None = None,
    timeout_seconds: float = 90.0,
    wait_for_model_server: bool = True,
) -> Iterator[LocalService]:
    """Run ``model-service serve`` on a package.

    Args:
        package: as the command takes it.
        flags: more of the command's flags.
        environ: environment variables to add.
        timeout_seconds: how long it may take to be ready.
        wait_for_model_server: wait until the model server is ready too, not only the HTTP side.

    Raises:
        ServiceNotStarted: it is not ready in time.
    """
    command = [sys.executable, "-m", "model_service.cli", "serve", str(package), "--port", "0", *flags]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environ or {})},
    )
    output = bytearray()
    reader = threading.Thread(target=_collect, args=(process, output), name="service-output", daemon=True)
    reader.start()
    try:
        pattern = _READY if wait_for_model_server else _LISTENING
        url = _wait_for_address(process, output, pattern, timeout_seconds)
        yield LocalService(url, process.pid, output)
    finally:
        _stop(process)
        reader.join(5)


def _collect(process: subprocess.Popen[bytes], output: bytearray) -> None:
    if process.stdout is not None:
        with process.stdout:
            for line in process.stdout:
                output += line


def _wait_for_address(
    process: subprocess.Popen[bytes], output: bytearray, pattern: re.Pattern[bytes], timeout_seconds: float
) -> str:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        found = pattern.search(bytes(output))
        if found:
            return found[1].decode()
        if process.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    time.sleep(_POLL_SECONDS)  # its last lines may still be on their way
    state = "is not ready in time" if process.poll() is None else f"ended with status {process.poll()}"
    raise ServiceNotStarted(f"the service {state}:\n{output.decode('utf-8', 'replace').strip()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def package_file_field(package: Path) -> str | None:
    """The only property of type file that the package's request schema declares, if there is just one."""
    from model_service.package.config import read_config
    from model_service.package.layout import find_package
    from model_service.package.schema import FILE_MARKER

    for api in read_config(find_package(package).config_path).apis[:1]:
        properties = (api.request_schema or {}).get("properties", {})
        fields = [name for name, schema in properties.items() if schema.get("const") == FILE_MARKER]
        return fields[0] if len(fields) == 1 else None
    return None


__all__: Sequence[str] = ["LocalService", "ServiceNotStarted", "package_file_field", "serve_package"]
