"""One run of a model server process: its start, its last words, its end."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from model_service.backend import launch
from model_service.backend.launch import PR_SET_PDEATHSIG

_log = logging.getLogger("model_service.sidecar")

_LAST_LINES = 15


def die_with_parent() -> None:
    """Have the kernel send this process SIGTERM when the thread that started it ends. Does nothing beyond Linux.

    Without it a parent killed with SIGKILL leaves its children running.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


# Workers are forked by another thread of this process. One that were forked while a process is being started here
# would inherit its pipes and keep them open: their reader, Popen itself included, would wait for the worker's end.
# Popen takes no lock of the fork handlers here (it would with preexec_fn), so that the two cannot wait for each other.
_fork_lock = threading.RLock()
os.register_at_fork(before=_fork_lock.acquire, after_in_parent=_fork_lock.release, after_in_child=_fork_lock.release)


def start_process(command: Sequence[str], folder: Path, stderr: int | None) -> subprocess.Popen[bytes]:
    """Start a process that reads nothing, whose output we read, and that ends with the thread that starts it.

    Raises:
        OSError: it cannot be started.
    """
    with _fork_lock:
        return subprocess.Popen(
            (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), *command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,  # Ctrl-C at the terminal is for us; we stop it when requests have ended
        )


class SidecarProcess:
    """A started process whose output is read to the log, line by line.

    The thread that makes it must live as long as the process may.
    """

    def __init__(self, command: Sequence[str], folder: Path):
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = start_process(command, folder, subprocess.STDOUT)
        self._reader = threading.Thread(target=self._read_output, name="sidecar-output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the end; True when it has ended."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, grace_seconds: float) -> None:
        """End it: SIGTERM, and SIGKILL when it has not ended in time."""
        if self._process.poll() is None:
            self._process.terminate()
            if not self.wait(grace_seconds):
                _log.warning("the model server (pid %d) did not end on SIGTERM; killing it", self.pid)
                self._process.kill()
                self._process.wait()
        self._reader.join(1)

    def last_words(self) -> str:
        """How it ended, and the last lines it printed."""
        code = self._process.poll()
        if code is None:
            ending = "is running"
        else:
            self._reader.join(1)  # its last lines may still be on their way
            ending = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with status {code}"
        return "\n".join([f"the model server (pid {self.pid}) {ending}", *self._last_lines])

    def _read_output(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            for raw in stream:
                line = raw.decode("utf-8", "replace").rstrip()
                self._last_lines.append(line)
                _log.debug("%s", line)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"
