"""One model server kept alive: started, restarted with back-off, given up, started on demand, only watched."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from model_service.backend.link import BackendLink
from model_service.backend.plan import EMBEDDED, REMOTE, BackendPlan
from model_service.backend.state import BackendState, Phase, StateFolder
from model_service.backend.supervisor import Supervisor
from model_service.errors import BackendUnavailable

from .conftest import answering_command, answering_server, free_port, wait_for

# Notes its pid and start in a file. From the second start on it only says that it has no more to give, and ends.
FALTERING = """
    import os, sys, time
    starts, address, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(starts, "a+") as file:
        file.seek(0)
        first = not file.read()
        file.write(f"{os.getpid()} {time.monotonic()}\\n")
    if not first:
        sys.exit("out of memory")
    os.execv(command[0], command)
"""


class Watched:
    """A supervisor, and what it has told."""

    def __init__(self, plan: BackendPlan, folder: Path, is_lazy: bool = False):
        self.ready = threading.Event()
        self.fatal: list[str] = []
        self.folder = StateFolder(folder)
        self.supervisor = Supervisor(plan, folder, is_lazy, self.ready.set, self.fatal.append)

    def state(self) -> BackendState:
        return self.folder.read()

    def wait_for_phase(self, phase: Phase, seconds: float = 20) -> BackendState:
        wait_for(lambda: self.state().phase is phase, seconds, f"the phase {phase}")
        return self.state()


Supervise = Callable[..., Watched]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """``supervise(kind, target, *command)`` starts a supervisor that is stopped when the test ends."""
    with ExitStack() as supervisors:

        def start(kind: str, target: str, *command: str, is_lazy: bool = False) -> Watched:
            watched = Watched(BackendPlan(kind, target, "serve", command), tmp_path, is_lazy)
            supervisors.callback(watched.supervisor.stop)
            watched.supervisor.start()
            return watched

        yield start


def socket_target(folder: Path) -> str:
    return f"unix:{folder / 's'}"


def test_from_start_to_ready_to_stop(supervise: Supervise, tmp_path: Path) -> None:
    target = socket_target(tmp_path)
    watched = supervise(EMBEDDED, target, *answering_command(target))
    assert watched.ready.wait(20)
    assert watched.state() == BackendState(Phase.READY, EMBEDDED, target, starts=1)
    started = time.monotonic()
    watched.supervisor.stop()
    assert time.monotonic() - started < 0.9, "nothing is waited for but the end of the process"
    assert watched.state().phase is Phase.STOPPED
    assert not watched.fatal


def test_one_that_dies_is_started_again_at_once_then_ever_later(supervise: Supervise, tmp_path: Path) -> None:
    target, starts = socket_target(tmp_path), tmp_path / "starts"
    script = (sys.executable, "-c", textwrap.dedent(FALTERING))
    watched = supervise(EMBEDDED, target, *script, str(starts), target, *answering_command(target))
    assert watched.ready.wait(20)
    watched.ready.clear()
    os.kill(int(starts.read_text().split()[0]), signal.SIGKILL)
    state = watched.wait_for_phase(Phase.RESTARTING)
    assert "was ended by SIGKILL" in state.reason
    wait_for(lambda: len(starts.read_text().splitlines()) >= 5, 20, "four restarts")
    assert "ended with status 1\nout of memory" in watched.state().reason
    assert watched.state().phase is Phase.RESTARTING
    times = [float(line.split()[1]) for line in starts.read_text().splitlines()][1:5]
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 0.8
    assert not watched.fatal, "one that was ready once is never given up"
    watched.supervisor.stop()


def test_one_that_was_never_ready_is_given_up_with_its_last_words(supervise: Supervise, tmp_path: Path) -> None:
    words = "import sys; print('loading'); sys.exit('Failed to start server. Error: disk on fire')"
    watched = supervise(EMBEDDED, socket_target(tmp_path), sys.executable, "-c", words)
    wait_for(lambda: bool(watched.fatal), 20, "the end")
    state = watched.state()
    assert (state.phase, state.starts) == (Phase.FAILED, 2)
    assert watched.fatal == [state.reason]
    assert "ended with status 1\nloading\nFailed to start server. Error: disk on fire" in state.reason
    assert not watched.ready.is_set()


def test_one_that_ignores_the_polite_signal_is_killed(
    supervise: Supervise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_service.backend.supervisor._STOP_GRACE_SECONDS", 0.2)
    deaf = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    ears = tmp_path / "ears"
    deaf += f"open({str(ears)!r}, 'w').write(str(os.getpid())); signal.pause()"
    watched = supervise(EMBEDDED, socket_target(tmp_path), sys.executable, "-c", deaf)
    wait_for(lambda: ears.exists() and ears.read_text() != "", 20, "the process")
    watched.supervisor.stop()
    assert not Path(f"/proc/{ears.read_text()}").exists()


def test_a_lazy_one_waits_to_be_asked(supervise: Supervise, tmp_path: Path) -> None:
    target = socket_target(tmp_path)
    watched = supervise(EMBEDDED, target, *answering_command(target), is_lazy=True)
    link = BackendLink(watched.folder)
    assert not watched.ready.wait(0.3)
    assert watched.state() == BackendState(Phase.FOUND, EMBEDDED, target)
    assert link.wait_until_started().phase is Phase.READY
    assert link.wait_until_started().target == target


def test_a_lazy_one_that_cannot_start_does_not_keep_the_caller(supervise: Supervise, tmp_path: Path) -> None:
    watched = supervise(EMBEDDED, socket_target(tmp_path), sys.executable, "-c", "raise SystemExit(3)", is_lazy=True)
    with pytest.raises(BackendUnavailable, match="does not start"):
        BackendLink(watched.folder).wait_until_started()
    assert watched.fatal


def test_a_lazy_one_nobody_asked_for_ends_with_the_service(supervise: Supervise, tmp_path: Path) -> None:
    watched = supervise(EMBEDDED, socket_target(tmp_path), "/no/such/program", is_lazy=True)
    watched.supervisor.stop()
    assert not watched.fatal


def test_an_end_by_a_signal_without_a_name(supervise: Supervise, tmp_path: Path) -> None:
    suicide = "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 2)"
    watched = supervise(EMBEDDED, socket_target(tmp_path), sys.executable, "-c", suicide)
    wait_for(lambda: bool(watched.fatal), 20, "the end")
    assert f"was ended by signal {signal.SIGRTMIN + 2}" in watched.fatal[0]


def test_a_program_that_cannot_be_run_is_given_up(supervise: Supervise, tmp_path: Path) -> None:
    watched = supervise(EMBEDDED, socket_target(tmp_path), "/no/such/program")
    wait_for(lambda: bool(watched.fatal), 20, "the end")
    assert watched.state().phase is Phase.FAILED
    assert "/no/such/program" in watched.state().reason


def test_a_remote_one_is_waited_for(supervise: Supervise) -> None:
    target = f"127.0.0.1:{free_port()}"
    watched = supervise(REMOTE, target)
    state = watched.wait_for_phase(Phase.STARTING)
    assert state == BackendState(Phase.STARTING, REMOTE, target, f"waiting for {target}")
    with answering_server(target):
        assert watched.ready.wait(20)
        assert watched.wait_for_phase(Phase.READY).starts == 0
    watched.supervisor.stop()
    assert watched.state().phase is Phase.STOPPED


def test_state_of_a_service_that_has_ended(tmp_path: Path) -> None:
    link = BackendLink(StateFolder(tmp_path / "gone"))
    assert link.state() is None
