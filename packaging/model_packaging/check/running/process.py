"""The parent's side of the child process: it is started, asked, watched and killed."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

from model_packaging.check.running.plan import ChildPlan
from model_packaging.check.running.wire import NotAMessage, receive, send

_WATCH_SECONDS = 0.05
_KEPT_OUTPUT_BYTES = 16 * 1024
_ENDING_SECONDS = 5.0
_MESSAGE_SECONDS = 20.0


class ChildEnded(Exception):
    """The child is no more.

    Attributes:
        reason: ``died``, ``time`` or ``memory``.
        how: how it ended, for messages.
        output: the last of what it printed.
    """

    def __init__(self, reason: str, how: str, output: str):
        super().__init__(how)
        self.reason = reason
        self.how = how
        self.output = output


class ChildProcess:
    """One child process, in a process group of its own, with nothing to read; it begins to load the package.

    The thread that makes it must live as long as the process may.
    """

    def __init__(self, plan: ChildPlan):
        ours, theirs = socket.socketpair()
        self._limits = plan.limits
        self._output = bytearray()
        self._exceeded_bytes = 0
        self.peak_bytes = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "model_packaging.check.running.child", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C at the terminal is for us
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        self._reader = threading.Thread(target=self._read_output, name="check-output", daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch_memory, name="check-memory", daemon=True).start()
        with suppress(OSError):  # one that has ended already is noticed when it is asked
            self._connection.send_bytes(pickle.dumps(plan))

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kill it, and all that it has started."""
        self._kill()
        self._process.wait()
        self._reader.join(_ENDING_SECONDS)
        self._connection.close()

    def wait_until_loaded(self) -> dict[str, Any]:
        """Wait until it has loaded the package: ``{"instances": n}``, or ``{"refused": why}``.

        Raises:
            ChildEnded: it has ended, or has used too much.
        """
        return self._answer(self._limits.load_seconds)

    def ask(self, message: dict[str, Any], timeout_seconds: float | None = None) -> dict[str, Any]:
        """Have it do something and wait for what it says.

        Raises:
            ChildEnded: it has ended, or has used too much.
        """
        try:
            send(self._connection, message)
        except OSError:
            raise self._ended() from None
        return self._answer(timeout_seconds or self._limits.request_seconds)

    def _answer(self, timeout_seconds: float) -> dict[str, Any]:
        try:
            if not self._connection.poll(timeout_seconds):
                how = f"has not answered after {timeout_seconds:g} s"
                self.close()
                raise ChildEnded("time", how, self._text())
            return self._received()
        except (EOFError, OSError):
            raise self._ended() from None
        except NotAMessage as error:
            self.close()
            raise ChildEnded("died", f"wrote into a socket of ours: {error}", self._text()) from error

    def _received(self) -> dict[str, Any]:
        """Read a message that has begun; the package may have written half of one into our socket."""
        timer = threading.Timer(_MESSAGE_SECONDS, self._kill)
        timer.start()
        try:
            return receive(self._connection)
        finally:
            timer.cancel()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _ended(self) -> ChildEnded:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        self.close()
        if self._exceeded_bytes:
            how = f"used {self._exceeded_bytes / 1024**3:.1f} GiB of memory"
            return ChildEnded(
                "memory", f"{how}; {self._limits.memory_bytes / 1024**3:.1f} GiB are allowed", self._text()
            )
        status = self._process.returncode
        how = f"was ended by {_signal_name(-status)}" if status < 0 else f"ended itself with status {status}"
        return ChildEnded("died", how, self._text())

    def _text(self) -> str:
        return bytes(self._output).decode("utf-8", "replace").strip()

    def _read_output(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream:
            while chunk := os.read(stream.fileno(), _KEPT_OUTPUT_BYTES):
                self._output += chunk
                del self._output[:-_KEPT_OUTPUT_BYTES]

    def _watch_memory(self) -> None:
        while self._process.poll() is None:
            used = _resident_bytes(self._process.pid)
            self.peak_bytes = max(self.peak_bytes, used)
            if used > self._limits.memory_bytes:
                self._exceeded_bytes = used
                self._kill()
                return
            time.sleep(_WATCH_SECONDS)


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process and of all below it; 0 where there is no /proc."""
    total = 0
    waiting = [pid]
    while waiting:
        folder = Path("/proc") / str(waiting.pop())
        try:
            total += int((folder / "statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in (folder / "task").iterdir():
                waiting += map(int, (task / "children").read_text(encoding="ascii").split())
        except (OSError, ValueError, IndexError):  # it has ended meanwhile
            continue
    return total


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"
