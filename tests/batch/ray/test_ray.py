"""``--engine ray`` on real clusters of this machine; each in a network of its own that has loopback only."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_service.batch.ray.cluster import Cluster, connected, in_one_line
from model_service.errors import SettingsError
from tests.conftest import MakePackage, quiet_environment
from tests.processes import process_ids

ROOT = Path(__file__).parents[3]
COMMAND_SECONDS = 100
GONE_SECONDS = 30.0
PICTURES = 60
OWN_NETWORK = ("unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-")


def isolated(command: Sequence[object]) -> list[str]:
    """The command in a network of its own; where that is not allowed as it is, bound to 127.0.0.1 all the same."""
    can_run = shutil.which(OWN_NETWORK[0]) is not None
    is_allowed = can_run and subprocess.run([*OWN_NETWORK, "true"], capture_output=True, check=False).returncode == 0
    return [*(OWN_NETWORK if is_allowed else ()), *map(str, command)]


def batch_command(package: Path, source: Path, output: Path, *more: object) -> list[str]:
    """The command line of a run."""
    return [
        *(sys.executable, "-m", "model_service.cli", "batch", str(package)),
        *("--input", str(source), "--output", str(output), *map(str, more)),
    ]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """The folder for temporary files of the commands: short, because sockets lie in it, and empty at the end."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        yield Path(folder)


def environment(scratch: Path) -> dict[str, str]:
    return {**quiet_environment(), "TMPDIR": str(scratch), "PYTHONPATH": str(ROOT)}


def run(command: Sequence[object], scratch: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        isolated(command),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
        env=environment(scratch),
    )


def processes_of(scratch: Path, word: str) -> list[int]:
    """What the run has started and what Ray has started for it: all of it has the folder in its environment."""
    wanted = f"TMPDIR={scratch}\0".encode()
    found = []
    for pid in process_ids(word):
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if wanted in variables:
            found.append(pid)
    return found


def assert_nothing_is_left(scratch: Path, word: str = "") -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while processes_of(scratch, word):
        assert time.monotonic() < deadline, processes_of(scratch, word)
        time.sleep(0.1)
    assert list(scratch.glob("node-*")) == []
    assert list(scratch.glob("model-service-batch-*")) == []


def results(folder: Path) -> bytes:
    return (folder / "predictions.jsonl").read_bytes()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey pictures, one of them broken."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(11)
    for number in range(PICTURES):
        Image.fromarray(random.integers(0, 255, (28, 28), dtype=np.uint8)).save(folder / f"{number:03}.png")
    (folder / "007.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def naps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Requests that take a moment each and are told apart by their answers."""
    path = tmp_path_factory.mktemp("naps") / "naps.jsonl"
    path.write_text("".join(f'{{"seconds": {0.1 + index / 1e6}}}\n' for index in range(160)))
    return path


@dataclass(frozen=True)
class Rested:
    """The package ``sleeps``, and what this machine alone makes of the naps."""

    package: Path
    results: bytes


@pytest.fixture(scope="module")
def rested(make_package: MakePackage, naps: Path, tmp_path_factory: pytest.TempPathFactory) -> Rested:
    package, output = make_package("sleeps"), tmp_path_factory.mktemp("rested") / "local"
    with tempfile.TemporaryDirectory() as scratch:
        done = run(batch_command(package, naps, output, "--batch-size", 4), Path(scratch))
    assert done.returncode == 0, done.stderr
    return Rested(package, results(output))


def test_without_ray_the_message_says_what_to_install(make_package: MakePackage, tmp_path: Path) -> None:
    command = batch_command(make_package("echo"), ROOT / "docs", tmp_path / "out", "--engine", "ray")
    code = "import sys; sys.modules['ray'] = None; from model_service.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *command[3:]], capture_output=True, text=True, timeout=30, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "model-service batch: --engine ray needs Ray; install it with: pip install 'tf-model-service[ray]'\n"
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [("ray://head:10001", "run this command on a node of the cluster"), ("127.0.0.1:1", "no cluster can be reached")],
)
def test_an_address_that_cannot_be_used(address: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"--ray-address {address}: .*{message}"), connected(address, False):
        pass


@pytest.mark.parametrize(
    ("cpus", "reserved"),
    [({"a": 8}, 8.0), ({"a": 8, "b": 8}, 4.0), ({"a": 1, "b": 16}, 0.5), ({"a": 1, "b": 1, "c": 9}, 0.3333)],
)
def test_what_all_nodes_reserve_together_fits_on_the_smallest(cpus: dict[str, int], reserved: float) -> None:
    """Else a node that is lost would leave its work waiting for a place for ever."""
    cluster = Cluster("a", cpus)
    assert cluster.cpus_per_node == reserved
    assert cluster.cpus_per_node * len(cpus) <= min(cpus.values())


def test_an_error_of_another_process_becomes_one_line() -> None:
    stack = 'ray::MapWorker.__init__()\n  File "x.py", line 3, in f\n    import y\nModuleNotFoundError: No module y\n'
    assert in_one_line(RuntimeError(stack)) == "ModuleNotFoundError: No module y"
    assert in_one_line(RuntimeError("first\n  second\n")) == "first second"
    assert in_one_line(ValueError()) == "ValueError"


@pytest.mark.slow
def test_a_cluster_of_its_own_gives_the_same_and_leaves_nothing(
    make_package: MakePackage, pictures: Path, scratch: Path, tmp_path: Path
) -> None:
    command = batch_command(
        make_package("digits", "digits"), pictures, tmp_path / "local", "--batch-size", 7, "--quiet"
    )
    local = run(command, scratch)
    command[command.index(str(tmp_path / "local"))] = str(tmp_path / "ray")
    on_ray = run([*command, "--engine", "ray"], scratch)
    assert (local.returncode, on_ray.returncode) == (1, 1)  # one item failed
    assert results(tmp_path / "ray") == results(tmp_path / "local")
    assert on_ray.stderr == local.stderr
    assert on_ray.stderr.count("\n") == 1
    assert_nothing_is_left(scratch)


def two_nodes(scratch: Path, kill_at: int, output: Path, command: Sequence[object]) -> dict[str, Any]:
    script = Path(__file__).parent / "two_ray_nodes.py"
    done = run([sys.executable, script, kill_at, output, *command, "--engine", "ray", "--ray-address"], scratch)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.slow
def test_two_nodes_give_the_same_as_none_and_the_package_is_brought_to_them(
    make_package: MakePackage, pictures: Path, scratch: Path, tmp_path: Path
) -> None:
    package = make_package("digits", "digits")
    local = run(batch_command(package, pictures, tmp_path / "local", "--batch-size", 7, "--quiet"), scratch)
    command = batch_command(package, pictures, tmp_path / "ray", "--batch-size", 7, "--quiet")
    seen = two_nodes(scratch, 0, tmp_path / "ray", command)
    assert (seen["stderr"], seen["stdout"], seen["status"]) == (local.stderr, "", 1)
    assert seen["at_home"]
    assert seen["elsewhere"]
    assert {"customize_service.py", "saved_model.pb", "variables"} <= set(seen["shipped"])
    assert results(tmp_path / "ray") == results(tmp_path / "local")
    assert_nothing_is_left(scratch)


@pytest.mark.slow
def test_a_node_killed_in_the_middle_changes_nothing(rested: Rested, naps: Path, scratch: Path, tmp_path: Path) -> None:
    command = batch_command(rested.package, naps, tmp_path / "ray", "--batch-size", 4, "--quiet")
    seen = two_nodes(scratch, 20, tmp_path / "ray", command)
    assert (seen["stderr"], seen["stdout"], seen["status"]) == ("", "", 0)
    assert seen["at_home"]
    assert seen["elsewhere"]
    assert 20 <= seen["answers_at_kill"] < 160
    assert results(tmp_path / "ray") == rested.results
    assert_nothing_is_left(scratch)


def begin(command: Sequence[object], output: Path, scratch: Path) -> subprocess.Popen[str]:
    """Start a run and wait until some batches are finished."""
    started = subprocess.Popen(
        isolated(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(scratch),
        start_new_session=True,
    )
    deadline = time.monotonic() + COMMAND_SECONDS
    while not any(path.read_bytes().count(b"\n") > 12 for path in output.glob("predictions.jsonl*")):
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return started


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_process_and_can_go_on_without_ray(
    rested: Rested, naps: Path, scratch: Path, tmp_path: Path, number: signal.Signals
) -> None:
    command = batch_command(rested.package, naps, tmp_path / "ray", "--batch-size", 4, "--quiet")
    with begin([*command, "--engine", "ray"], tmp_path / "ray", scratch) as started:
        if number == signal.SIGINT:
            os.killpg(started.pid, number)  # as a terminal does
        else:
            started.send_signal(number)
        stdout, stderr = started.communicate(timeout=COMMAND_SECONDS)
    if number != signal.SIGKILL:
        assert started.returncode == 2
        assert (stdout, stderr) == (
            "",
            "model-service batch: interrupted; run the same command again to go on\n",
        )
        assert_nothing_is_left(scratch)
    again = run(command[:-1], scratch)  # without --quiet it says where it takes up
    assert again.returncode == 0
    assert "going on after" in again.stderr
    assert results(tmp_path / "ray") == rested.results
    # Two of Ray's own processes wait for a minute for a cluster that was killed before they end.
    assert_nothing_is_left(scratch, "model_service" if number == signal.SIGKILL else "")


def reason(line: str) -> str:
    """A message without the private folder that it names first."""
    return line.partition("/model/1/")[2]


@pytest.mark.slow
def test_a_package_that_cannot_be_loaded_is_one_plain_line(
    make_package: MakePackage, naps: Path, scratch: Path, tmp_path: Path
) -> None:
    command = batch_command(make_package("import_error"), naps, tmp_path / "out")
    local, on_ray = run(command, scratch), run([*command, "--engine", "ray"], scratch)
    assert (on_ray.returncode, on_ray.stdout) == (2, "")
    assert on_ray.stderr.count("\n") == 1
    assert reason(on_ray.stderr) == reason(local.stderr.splitlines(keepends=True)[-1])
    assert_nothing_is_left(scratch)
