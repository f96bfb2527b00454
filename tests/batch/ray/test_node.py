"""The process that houses a package on a node, without a cluster: its start, its answers, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_service.batch.items import Batch, BatchResult, Content, FileContent, Item, ValueContent
from model_service.batch.outcome import CannotGoOn
from model_service.batch.ray.engine import plan_nodes
from model_service.batch.ray.node import NodePlan
from model_service.batch.ray.nodes import Answer, Node, NodeDied, absent_files, result_of
from model_service.batch.runner import RunnerOptions
from model_service.batch.worker_plan import WorkerPlan
from model_service.inference.preparation import ServiceOptions, prepare
from tests.conftest import MakePackage
from tests.processes import process_ids

TIMEOUT_SECONDS = 20.0
BATCH_SIZE = 4


def make_plan(package: Path, run_root: Path, backend: str = "embedded") -> NodePlan:
    """What the command would plan, with one worker."""
    options = ServiceOptions(
        package=package,
        service=None,
        model_name="serve",
        backend=backend,
        sidecar="auto",
        validate_request=None,
        validate_response=None,
        threads=BATCH_SIZE,
        wait_seconds=60.0,
        max_image_pixels=1_000_000,
    )
    run_root.mkdir()
    preparation = prepare(options, run_root)
    runner = RunnerOptions(BATCH_SIZE, 1, True, 20.0, 20.0)
    worker = WorkerPlan(preparation.plan, run_root, None, None, 1_000_000, runner, "warning")
    return plan_nodes(options, preparation, worker, 1)


@contextmanager
def node(folder: Path) -> Iterator[Node]:
    made = Node(1, folder)
    try:
        yield made
    finally:
        made.close()


def batch(*values: object) -> Batch:
    contents: list[Content] = [ValueContent(value) for value in values]
    return Batch(0, tuple(Item(index, f"in#{index}", content) for index, content in enumerate(contents)))


def put_first(package: Path, line: str) -> None:
    """Have the author's module do something when it is imported."""
    service = package / "model" / "customize_service.py"
    service.write_text(f"{line}\n{service.read_text()}")


def wait_until_gone(*words: str) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while process_ids(*words):
        assert time.monotonic() < deadline, words
        time.sleep(0.05)


@pytest.fixture
def nodes_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nodes-") as folder:  # a short path: there will be sockets below it
        yield Path(folder)


def test_it_answers_and_leaves_nothing(make_package: MakePackage, tmp_path: Path, nodes_folder: Path) -> None:
    plan = make_plan(make_package("own_inference"), tmp_path / "run")
    with node(nodes_folder) as made:
        assert made.folder.parent == nodes_folder
        made.open(plan)
        result = made.run(batch({"numbers": [1, 2, 6]}, {"numbers": "none"}))
        first, second = map(json.loads, result.lines.splitlines())
        assert (result.items, result.failed) == (2, 1)
        assert first["answer"] == {"mean": 3.0}
        assert second["result"] == "FAILED"
    assert list(nodes_folder.iterdir()) == []
    wait_until_gone("model_service.batch.ray.node", str(nodes_folder))


def test_why_a_package_cannot_be_loaded(make_package: MakePackage, tmp_path: Path, nodes_folder: Path) -> None:
    plan = make_plan(make_package("import_error"), tmp_path / "run")
    with node(nodes_folder) as made, pytest.raises(CannotGoOn, match=r"customize_service\.py"):
        made.open(plan)
    assert list(nodes_folder.iterdir()) == []


def test_a_package_whose_import_ends_the_process_is_named_too(
    make_package: MakePackage, tmp_path: Path, nodes_folder: Path
) -> None:
    package = make_package("own_inference")
    put_first(package, "import os; os._exit(3)")
    plan = make_plan(package, tmp_path / "run")
    with node(nodes_folder) as made, pytest.raises(CannotGoOn, match="ended with status 3 while it loaded the package"):
        made.open(plan)


def test_one_that_is_killed_is_said(make_package: MakePackage, tmp_path: Path, nodes_folder: Path) -> None:
    plan = make_plan(make_package("sleeps"), tmp_path / "run")
    with node(nodes_folder) as made:
        made.open(plan)
        (pid,) = process_ids("model_service.batch.ray.node", str(nodes_folder))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(NodeDied):
            made.run(batch({"seconds": 0}))
        assert list(nodes_folder.iterdir()) == []


def test_it_ends_with_whoever_started_it_even_while_it_loads(
    make_package: MakePackage, tmp_path: Path, nodes_folder: Path
) -> None:
    package = make_package("own_inference")
    put_first(package, "import time; time.sleep(600)")
    starter = subprocess.Popen(
        [sys.executable, __file__, str(package), str(tmp_path / "run"), str(nodes_folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not list(nodes_folder.glob("node-*/worker-*/model/1")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        starter.kill()
        starter.wait()
    wait_until_gone("model_service.batch.ray.node", str(nodes_folder))
    assert list(nodes_folder.iterdir()) == []


def test_files_that_only_the_first_node_has_stop_the_run(tmp_path: Path) -> None:
    """On a node without the input every item would be said to have failed."""
    here, gone = tmp_path / "here.png", tmp_path / "gone.png"
    here.write_bytes(b"picture")
    items = [
        Item(index, place, FileContent(place)) for index, place in enumerate((f"{here}", "s3://b/a.png", f"{gone}"))
    ]
    assert absent_files(Batch(0, (*items, Item(3, "in#3", ValueContent(1))))) == (str(gone),)

    result = BatchResult(0, 4, 1, b"")
    assert result_of(Answer(result, "far", (str(gone),))) is result  # it is nowhere: the item's fault
    with pytest.raises(CannotGoOn, match=r"node far: there is no .*here\.png, which is here"):
        result_of(Answer(result, "far", (str(here),)))


def test_a_refusal_names_the_node_unless_it_is_this_one() -> None:
    with pytest.raises(CannotGoOn, match=r"^node far: it is full$"):
        result_of(Answer("it is full", "far"))
    with pytest.raises(CannotGoOn, match=r"^it is full$"):
        result_of(Answer("it is full", ""))


if __name__ == "__main__":
    Node(1, Path(sys.argv[3])).open(make_plan(Path(sys.argv[1]), Path(sys.argv[2])))
