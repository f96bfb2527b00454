"""Keeps one model server alive: found -> starting -> ready -> (restarting -> ready ...) -> stopped (design D8)."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from model_service.backend.plan import REMOTE, BackendPlan
from model_service.backend.process import SidecarProcess, start_process
from model_service.backend.state import BackendState, Phase, StateFolder

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
_START_TIMEOUT_SECONDS = 600
_STOP_GRACE_SECONDS = 20
_FIRST_RESTART_PAUSE_SECONDS = 0.1
_MAX_RESTART_PAUSE_SECONDS = 5.0
_FIRST_STARTS = 2  # how often a server that was never ready is tried before the service gives up


class Supervisor:
    """Runs the model server of a plan in a thread of its own.

    Args:
        plan: which one.
        folder: private folder for its state and as its working directory.
        is_lazy: start it only when a worker asks.
        on_ready: called, in the thread, each time it has become ready.
        on_fatal: called, in the thread, with the reason when it never became ready and is given up.
    """

    def __init__(
        self,
        plan: BackendPlan,
        folder: Path,
        is_lazy: bool = False,
        on_ready: Callable[[], None] = lambda: None,
        on_fatal: Callable[[str], None] = lambda reason: None,
    ):
        self._plan = plan
        self._folder = folder
        self._state_folder = StateFolder(folder)
        self._is_lazy = is_lazy
        self._on_ready = on_ready
        self._on_fatal = on_fatal
        self._stopping = threading.Event()
        self._starts = 0
        self._was_ready = False
        self._thread = threading.Thread(target=self._run, name="model-server-supervisor", daemon=True)
        self._publish(Phase.FOUND)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the model server and wait until it has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_GRACE_SECONDS + 5)

    def _publish(self, phase: Phase, reason: str = "") -> None:
        self._state_folder.publish(BackendState(phase, self._plan.kind, self._plan.target, reason, self._starts))

    def _run(self) -> None:
        while self._is_lazy and not self._state_folder.is_start_requested():
            if self._stopping.wait(_POLL_SECONDS):
                return
        if self._plan.kind == REMOTE:
            self._watch_remote()
        else:
            self._keep_running()
        if self._stopping.is_set():
            self._publish(Phase.STOPPED)

    def _watch_remote(self) -> None:
        """A server that is not ours is only waited for; afterwards the workers see for themselves."""
        self._publish(Phase.STARTING, f"waiting for {self._plan.target}")
        while not self._stopping.is_set():
            probe = self._start_probe()
            if self._wait_for_probe(probe, None):
                self._become_ready()
                self._stopping.wait()

    def _keep_running(self) -> None:
        pause_seconds = _FIRST_RESTART_PAUSE_SECONDS
        reason = ""
        while not self._stopping.is_set():
            self._publish(Phase.RESTARTING if self._was_ready else Phase.STARTING, reason)
            self._starts += 1
            became_ready, reason = self._run_once()
            if self._stopping.is_set():
                return
            if not self._was_ready and self._starts >= _FIRST_STARTS:
                self._publish(Phase.FAILED, reason)
                self._on_fatal(reason)
                return
            _log.error("%s\nstarting it again", reason)
            pause_seconds = _FIRST_RESTART_PAUSE_SECONDS if became_ready else pause_seconds * 2
            self._publish(Phase.RESTARTING if self._was_ready else Phase.STARTING, reason)
            self._stopping.wait(min(pause_seconds, _MAX_RESTART_PAUSE_SECONDS))

    def _run_once(self) -> tuple[bool, str]:
        """Run the process to its end; return whether it became ready, and its last words."""
        try:
            process = SidecarProcess(self._plan.command, self._folder)
        except OSError as error:
            return False, f"the model server cannot be started: {error}"
        probe = self._start_probe()
        try:
            became_ready = self._wait_for_probe(probe, process)
            if became_ready:
                self._become_ready()
                while not self._stopping.is_set() and not process.wait(_POLL_SECONDS):
                    pass
            return became_ready, process.last_words()
        finally:
            process.stop(_STOP_GRACE_SECONDS)

    def _become_ready(self) -> None:
        self._was_ready = True
        self._publish(Phase.READY)
        self._on_ready()

    def _start_probe(self) -> subprocess.Popen[bytes]:
        arguments = (self._plan.target, self._plan.model_name, str(_START_TIMEOUT_SECONDS))
        return start_process((sys.executable, "-m", "model_service.backend.probe", *arguments), self._folder, None)

    def _wait_for_probe(self, probe: subprocess.Popen[bytes], process: SidecarProcess | None) -> bool:
        """Wait until the probe has ended; it is ended when the server dies or we are stopping."""
        with probe:
            while not self._stopping.is_set() and (process is None or not process.wait(0)):
                try:
                    output, _ = probe.communicate(timeout=_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
                if probe.returncode != 0:
                    _log.error("the model server is not ready: %s", output.decode("utf-8", "replace").strip())
                return probe.returncode == 0
            probe.kill()
            return False
