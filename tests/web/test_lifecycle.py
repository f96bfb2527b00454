"""The service as a process: crashes of the model server, SIGTERM under load, bad starts, exposure, dead parents."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from model_service.client import Client, ServiceUnreachable
from model_service.client.local import LocalService, ServiceNotStarted, serve_package

from .conftest import MakePackage, Serve, png_bytes, post_picture


def children(pid: int) -> list[int]:
    """Direct children, by /proc."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def sidecar_pid(service: LocalService) -> int:
    found = [pid for pid in children(service.pid) if "model_service.model_server" in command_line(pid)]
    assert len(found) == 1
    return found[0]


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def wait_for_end(pids: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while living := [f"{pid} {line}" for pid in pids if (line := command_line(pid))]:
        assert time.monotonic() < deadline, f"still running after {seconds} s: {living}"
        time.sleep(0.02)


class Load:
    """Clients that post pictures until they are stopped; statuses are counted, an unanswered request as 0."""

    def __init__(self, service: LocalService, clients: int):
        self.statuses: Counter[int] = Counter()
        self.slowest_seconds = 0.0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(service,)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, service: LocalService) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                status = post_picture(service).status
            except ServiceUnreachable:
                status = 0
            self.statuses[status] += 1
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
            if status != 200:
                time.sleep(0.05)  # as a client would that is told to try again later

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def ready_status(service: LocalService) -> int:
    with Client(service.url, timeout_seconds=10) as client:
        return client.get("/ready").status


def test_model_server_killed_under_load_comes_back(serve: Serve) -> None:
    service = serve("digits", model="digits")
    load = Load(service, 8)
    wait_for(lambda: load.statuses[200] > 50, 30, "requests to be answered")
    killed = sidecar_pid(service)
    os.kill(killed, signal.SIGKILL)
    killed_at = time.monotonic()
    wait_for(lambda: ready_status(service) == 503, 5, "/ready to turn 503")
    with Client(service.url) as client:
        reason = client.get("/ready").json()["model_server"]["reason"]
    assert "SIGKILL" in reason or "does not answer" in reason
    wait_for(lambda: ready_status(service) == 200, 10, "the model server to be back")
    assert time.monotonic() - killed_at < 10
    answered = load.statuses[200]
    wait_for(lambda: load.statuses[200] > answered + 50, 10, "requests to be answered again")
    load.stop()
    assert set(load.statuses) <= {200, 503, 504}
    assert load.statuses[503] > 0
    assert load.slowest_seconds < 10
    assert sidecar_pid(service) != killed


def test_sigterm_under_load_loses_no_accepted_request(make_package: MakePackage) -> None:
    package = make_package("sleeps")
    statuses: Counter[int] = Counter()

    def ask(service: LocalService) -> None:
        with Client(service.url, timeout_seconds=30) as client:
            statuses[client.send({"seconds": 1.0}).status] += 1

    with serve_package(package, "--backend", "embedded", "--threads", "4") as service:
        threads = [threading.Thread(target=ask, args=(service,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)  # all eight are accepted: four are worked on, four wait
        os.kill(service.pid, signal.SIGTERM)
        for thread in threads:
            thread.join(30)
    assert statuses == {200: 8}


def test_sigterm_ends_everything_with_status_0(
    make_package: MakePackage, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("t")  # short, for the path of a socket in it
    command = [sys.executable, "-m", "model_service.cli", "serve", str(make_package("digits", "digits")), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--backend", "embedded"], stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert process.stderr is not None
    with process.stderr:
        printed = b""
        for line in process.stderr:
            printed += line
            if b"ready: http" in line:
                break
        family = children(process.pid)
        assert len(family) >= 2, printed.decode()
        assert len(list(tmp_path.iterdir())) == 1
        process.terminate()
        assert process.wait(30) == 0
    assert list(tmp_path.iterdir()) == []
    wait_for_end(family, 5)


def test_parent_killed_takes_its_children_along(make_package: MakePackage) -> None:
    with serve_package(make_package("digits", "digits"), "--backend", "embedded") as service:
        family = children(service.pid)
        os.kill(service.pid, signal.SIGKILL)
        wait_for_end(family, 25)


@pytest.mark.parametrize(
    ("package", "model", "flags", "message"),
    [
        ("syntax_error", "digits", (), "customize_service.py:"),
        ("import_error", "digits", (), "customize_service.py:"),
        ("two_classes", "digits", (), "exactly one service class is needed, found 2"),
        ("no_class", "digits", (), "no class is derived from"),
        ("digits", "two_signatures", (), "serving_default"),
        ("digits", None, (), "there is no saved_model.pb"),
        ("broken_config", "digits", ("--validate-request", "strict"), "config.json line"),
        ("digits", "digits", ("--validate-request", "hard"), "must be one of off, warn, coerce, strict"),
        ("digits", "digits", ("--host", "0.0.0.0"), "--auth-file"),
        ("digits", "digits", ("--backend", "nonsense"), "HOST:PORT"),
        ("digits", "digits", ("--port", "99999"), "whole number"),
    ],
)
def test_what_cannot_be_served_is_said_and_ends_with_2(
    make_package: MakePackage, package: str, model: str | None, flags: tuple[str, ...], message: str
) -> None:
    with (
        pytest.raises(ServiceNotStarted) as caught,
        serve_package(make_package(package, model), "--backend", "embedded", *flags, timeout_seconds=40),
    ):
        pass
    text = str(caught.value)
    assert "ended with status 2" in text
    assert message in text


def test_broken_config_runs_without_a_contract(serve: Serve) -> None:
    service = serve("broken_config", model="digits")
    assert post_picture(service).status == 200
    with Client(service.url) as client:
        problems = client.get("/ready").json()["contract"]["problems"]
    assert problems[0].startswith("config.json line ")
    assert problems[0] in service.log_text()


def test_port_in_use_is_said(digits: LocalService, make_package: MakePackage) -> None:
    port = digits.url.rsplit(":", 1)[1].strip("/")
    with (
        pytest.raises(ServiceNotStarted, match="choose another with --port"),
        serve_package(make_package("echo"), "--port", port),
    ):
        pass


def test_callers_are_checked_when_an_auth_file_is_given(serve: Serve, tmp_path: Path) -> None:
    auth_file = tmp_path / "callers"
    auth_file.write_text("# callers\nalice correct-horse-battery\n")
    auth_file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    service = serve("echo", "--auth-file", str(auth_file), "--host", "0.0.0.0")
    url = service.url.replace("0.0.0.0", "127.0.0.1")
    for token, status in ((None, 401), ("wrong-horse-battery", 401), ("correct-horse-battery", 200)):
        with Client(url, token) as client:
            assert client.send({"a": 1}).status == status
            assert client.get("/health").status == 200
    assert "correct-horse" not in service.log_text()


def test_worker_is_light_and_free_of_tensorflow(digits: LocalService) -> None:
    content = png_bytes()
    with Client(digits.url) as client:
        for _ in range(1000):
            assert client.send(files={"images": content}).status == 200
    sidecar = sidecar_pid(digits)
    workers = [pid for pid in children(digits.pid) if pid != sidecar]
    assert len(workers) == 1
    maps = Path(f"/proc/{workers[0]}/maps").read_text()
    assert "libtensorflow" not in maps
    assert "_pywrap_tensorflow" not in maps
    assert proportional_megabytes(workers[0]) <= 90


def proportional_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def test_first_answer_comes_soon_after_the_model_server_is_ready(serve: Serve) -> None:
    service = serve("digits", model="digits")  # returns when the model server is ready
    started = time.monotonic()
    assert post_picture(service).status == 200
    assert time.monotonic() - started < 1.5


def test_lazy_model_server_starts_when_it_is_asked_for(serve: Serve) -> None:
    service = serve("own_inference", model="digits")
    with Client(service.url) as client:
        ready = client.get("/ready")
    assert ready.status == 200
    assert ready.json()["model_server"]["phase"] == "found"
    assert not [pid for pid in children(service.pid) if "model_service.model_server" in command_line(pid)]


@pytest.mark.parametrize(
    ("early", "ends"), [("announce_when_serving(Path(sys.argv[1]))", True), ("", False)], ids=["ours", "the loop alone"]
)
def test_a_signal_before_the_first_turn_of_the_loop_is_not_lost(tmp_path: Path, early: str, ends: bool) -> None:
    code = f"""
import asyncio, os, signal, sys, time, uvloop
from pathlib import Path
from model_service.web.worker import announce_when_serving

loop = uvloop.new_event_loop()
asyncio.set_event_loop(loop)
{early}
loop.add_signal_handler(signal.SIGTERM, loop.stop)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.1)
loop.call_later(10 if {ends} else 1, lambda: os._exit(7))
loop.run_forever()
"""
    loaded = tmp_path / "loaded"
    done = subprocess.run([sys.executable, "-c", code, str(loaded)], timeout=60, check=False)
    assert done.returncode == (0 if ends else 7)
    assert loaded.exists() == ends
