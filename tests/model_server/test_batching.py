"""Calls that are joined: the scheduler by itself, and over the wire on real models."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from model_service.model_server.batching import BatchingOptions, BatchScheduler
from model_service.model_server.status import Code, ServingError

from .conftest import Client, Connects, Starts, free_port, values, wait_until

Array = np.ndarray[Any, Any]
INVALID = grpc.StatusCode.INVALID_ARGUMENT
SECONDS = 20


class Doubler:
    """Doubles its only input; notes the rows of every run, and can be held."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.rows: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        self.rows.append(len(arrays[0]))
        assert self.gate.wait(SECONDS)
        time.sleep(self.seconds)
        if (arrays[0] < 0).any():
            raise ServingError(Code.INVALID_ARGUMENT, "negative")
        return [arrays[0] * 2]


def rows_of(first: float, count: int, *shape: int) -> Array:
    """``count`` rows that hold ``first``, ``first + 1``, ..."""
    column = np.arange(first, first + count, dtype=np.float32).reshape(count, *[1] * len(shape))
    return np.broadcast_to(column, (count, *shape))


class Held:
    """A scheduler whose only slot is taken by a first call, so that further calls pile up."""

    def __init__(self, **options: Any):
        self.scheduler = BatchScheduler(BatchingOptions(**options))
        self.doubler = Doubler()
        self.doubler.gate.clear()
        self._pool = ThreadPoolExecutor(32)
        self.first = self.call(rows_of(0, 1, 2))
        wait_until(lambda: self.doubler.rows)

    def call(self, *arrays: Array) -> Future[list[Any]]:
        """Run a call in a thread of its own."""
        return self._pool.submit(self.scheduler.run, "double", arrays, self.doubler)

    def calls(self, *batches: Array) -> list[Future[list[Any]]]:
        """Enqueue calls in this order."""
        futures = []
        for batch in batches:
            wanted = self.waiting_rows() + len(batch)
            futures.append(self.call(batch))
            self._wait_for_rows(wanted)
        return futures

    def _wait_for_rows(self, wanted: int) -> None:
        wait_until(lambda: self.waiting_rows() == wanted)

    def waiting_rows(self) -> int:
        """The rows of all calls that wait."""
        return sum(queue.rows for queue in list(self.scheduler._queues.values()))

    def release(self) -> None:
        """Let the first call, and all others, go on."""
        self.doubler.gate.set()


def test_a_lone_call_runs_at_once() -> None:
    doubler = Doubler()
    (result,) = BatchScheduler(BatchingOptions()).run("double", [rows_of(1, 2, 3)], doubler)
    assert np.array_equal(result, rows_of(1, 2, 3) * 2)
    assert doubler.rows == [2]


def test_calls_that_wait_are_joined_and_each_gets_its_own_rows() -> None:
    held = Held()
    batches = [rows_of(10 * each, each, 2) for each in (1, 2, 3)]
    futures = held.calls(*batches)
    held.release()
    for batch, future in zip(batches, futures, strict=True):
        assert np.array_equal(future.result(SECONDS)[0], batch * 2)
    assert held.doubler.rows == [1, 6]


def test_a_batch_has_no_more_rows_than_allowed() -> None:
    held = Held(max_batch_rows=4)
    futures = held.calls(*(rows_of(0, count, 2) for count in (3, 2, 2, 1)))
    held.release()
    assert [len(future.result(SECONDS)[0]) for future in futures] == [3, 2, 2, 1]
    assert held.doubler.rows == [1, 3, 4, 1]


def test_a_full_queue_is_refused() -> None:
    held = Held(max_batch_rows=2, max_queued_batches=2)
    futures = held.calls(*[rows_of(0, 2, 2)] * 2)
    with pytest.raises(ServingError, match="queue to which this task was submitted is full") as caught:
        held.scheduler.run("double", [rows_of(0, 1, 2)], held.doubler)
    assert caught.value.code is Code.UNAVAILABLE
    held.release()
    assert [len(future.result(SECONDS)[0]) for future in futures] == [2, 2]


def test_one_bad_call_fails_alone() -> None:
    held = Held()
    good, bad, other = held.calls(rows_of(1, 2, 2), rows_of(-5, 1, 2), rows_of(7, 1, 2))
    held.release()
    assert np.array_equal(good.result(SECONDS)[0], rows_of(1, 2, 2) * 2)
    assert np.array_equal(other.result(SECONDS)[0], rows_of(7, 1, 2) * 2)
    with pytest.raises(ServingError, match="negative"):
        bad.result(SECONDS)


def test_other_shapes_go_in_a_batch_of_their_own() -> None:
    held = Held()
    narrow, wide = held.calls(rows_of(1, 1, 2), rows_of(1, 1, 3))
    held.release()
    assert (narrow.result(SECONDS)[0].shape, wide.result(SECONDS)[0].shape) == ((1, 2), (1, 3))
    assert held.doubler.rows == [1, 1, 1]


def test_inputs_are_padded_to_the_largest_where_asked_for() -> None:
    held = Held(pads_inputs=True)
    narrow, wide = held.calls(rows_of(1, 1, 2), rows_of(1, 1, 3))
    held.release()
    assert narrow.result(SECONDS)[0].tolist() == [[2, 2, 0]]
    assert wide.result(SECONDS)[0].tolist() == [[2, 2, 2]]
    assert held.doubler.rows == [1, 2]


def test_batches_are_padded_up_to_an_allowed_size() -> None:
    held = Held(max_batch_rows=8, allowed_rows=(1, 4, 8))
    futures = held.calls(*[rows_of(1, 1, 2)] * 3)
    held.release()
    assert [future.result(SECONDS)[0].tolist() for future in futures] == [[[2, 2]]] * 3
    assert held.doubler.rows == [1, 4]


def test_a_batch_waits_for_more_until_it_is_full() -> None:
    doubler = Doubler()
    scheduler = BatchScheduler(BatchingOptions(max_batch_rows=3, timeout_seconds=SECONDS))
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda first: scheduler.run("d", [rows_of(first, 1)], doubler)[0].tolist(), (1, 2, 3)))
    assert results == [[2], [4], [6]]
    assert doubler.rows == [3]


def test_a_batch_that_is_not_full_goes_when_its_time_is_over() -> None:
    doubler = Doubler()
    scheduler = BatchScheduler(BatchingOptions(timeout_seconds=0.05))
    assert scheduler.run("d", [rows_of(1, 1)], doubler)[0].tolist() == [2]


def test_more_rows_than_a_batch_holds() -> None:
    doubler = Doubler()
    with pytest.raises(ServingError, match="Task size 5 is larger than maximum input batch size 2"):
        BatchScheduler(BatchingOptions(max_batch_rows=2)).run("d", [rows_of(0, 5)], doubler)
    split = BatchScheduler(BatchingOptions(max_batch_rows=2, splits_large=True))
    assert split.run("d", [rows_of(0, 5)], doubler)[0].tolist() == [0, 2, 4, 6, 8]
    assert doubler.rows == [2, 2, 1]


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ([], "must have at least one input tensor"),
        ([np.float32(1)], "must have at least one dimension"),
        ([rows_of(0, 2), rows_of(0, 3)], "must have equal 0th-dimension size"),
    ],
)
def test_inputs_without_a_common_batch(arrays: list[Any], text: str) -> None:
    with pytest.raises(ServingError, match=text) as caught:
        BatchScheduler(BatchingOptions()).run("d", [np.asarray(array) for array in arrays], Doubler())
    assert caught.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (lambda arrays: [np.float32(1)], "has 0 dimensions"),
        (lambda arrays: [np.zeros(99)], "0th dimension does not equal the sum"),
    ],
)
def test_outputs_without_the_batch(run: Callable[[Any], list[Any]], text: str) -> None:
    with pytest.raises(ServingError, match=text) as caught:
        BatchScheduler(BatchingOptions()).run("d", [rows_of(0, 2)], run)
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_no_call_is_lost_among_many() -> None:
    """Forty threads, three signatures, two slots: every call gets its own answer."""
    scheduler = BatchScheduler(BatchingOptions(max_batch_rows=16, threads=2, max_queued_batches=100))
    doubler = Doubler(seconds=0.001)

    def calls_of_one(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(100):
            batch = random.random((int(random.integers(1, 5)), int(random.integers(1, 4))), dtype=np.float32)
            (result,) = scheduler.run(seed % 3, [batch], doubler)
            assert np.array_equal(result, batch * 2)

    with ThreadPoolExecutor(40) as pool:
        for future in [pool.submit(calls_of_one, seed) for seed in range(40)]:
            future.result(SECONDS)
    assert max(doubler.rows) > 4
    assert not scheduler._queues


@pytest.fixture(scope="module")
def parameters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("batching") / "parameters.txt"
    path.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 100000 } max_enqueued_batches { value: 4 } "
        "num_batch_threads { value: 1 } allowed_batch_sizes: 2 allowed_batch_sizes: 4 allowed_batch_sizes: 8",
        "utf-8",
    )
    return path


@pytest.fixture(scope="module")
def batched(start: Starts, connect: Connects, parameters: Path) -> Callable[[str], Client]:
    clients: dict[str, Client] = {}

    def client_of(kind: str) -> Client:
        if kind not in clients:
            flags = ["--enable_batching", f"--batching_parameters_file={parameters}", "--grpc_max_threads=16"]
            clients[kind] = connect(start(kind, *flags))
        return clients[kind]

    return client_of


def test_eight_callers_over_the_wire(batched: Callable[[str], Client]) -> None:
    client = batched("half_plus_two")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda x: values(client.predict(x=np.full((1, 1), x, "f")).outputs["y"]), range(64)))
    assert answers == [[[x / 2 + 3]] for x in range(64)]


def test_batched_calls_that_cannot_be(batched: Callable[[str], Client]) -> None:
    client = batched("half_plus_two")
    scalar = client.refusal(client.request(x=np.float32(1)))
    assert scalar == (INVALID, "Batching Run() input tensors must have at least one dimension")
    large = client.refusal(client.request(x=np.zeros((9, 1), "f")))
    assert large == (INVALID, "Task size 9 is larger than maximum input batch size 8")
    uneven = batched("signatures").request(a=np.zeros(2, "f"), b=np.zeros(3, "f"))
    assert batched("signatures").refusal(uneven)[1].endswith("must have equal 0th-dimension size")
    assert batched("half_plus_two").predict(x=np.ones((1, 1), "f")).outputs["y"].float_val == [3.5]


def test_a_bad_request_among_good_ones_over_the_wire(batched: Callable[[str], Client]) -> None:
    """The graph refuses one example of a batch; its neighbours do not notice."""
    client = batched("tables")

    def word(text: str) -> list[Any]:
        return values(client.predict(word=np.array([text.encode()], object)).outputs["name"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(word, ["zero", "one", "two", "what"])) == [[b"null"], [b"eins"], [b"zwei"], [b"?"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_batch_size { value: 0 }", "max_batch_size must be at least 1; was 0"),
        ("allowed_batch_sizes: 4", "Last entry in allowed_batch_sizes must match max_batch_size"),
        ("allowed_batch_sizes: 4 allowed_batch_sizes: 2", "must be monotonically increasing"),
        ("max_batch_size: 4", "Invalid protobuf file"),
    ],
)
def test_bad_parameters(start: Starts, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "parameters.txt"
    path.write_text(text, "utf-8")
    server = start("half_plus_two", "--enable_batching", f"--batching_parameters_file={path}", ready=False)
    assert server.wait() == 255
    assert message in server.log


def test_parameters_without_batching(start: Starts, parameters: Path) -> None:
    server = start("half_plus_two", f"--batching_parameters_file={parameters}", ready=False)
    assert server.wait() == 255
    assert "batching_parameters_file is set without setting server_options.enable_batching to true." in server.log


def test_parameters_of_one_model(start: Starts, models: Path, tmp_path: Path) -> None:
    """A file in the version folder wins over the flags."""
    shutil.copytree(models / "half_plus_two", tmp_path / "own")
    (tmp_path / "own" / "00000123" / "batching_params.pbtxt").write_text("max_batch_size { value: 3 }", "utf-8")
    port = free_port()
    flags = [f"--port={port}", f"--model_base_path={tmp_path / 'own'}", "--enable_batching"]
    start("half_plus_two", *flags, "--enable_per_model_batching_parameters")
    client = Client(f"127.0.0.1:{port}", "half_plus_two")
    refused = client.refusal(client.request(x=np.zeros((4, 1), "f")))
    assert refused == (INVALID, "Task size 4 is larger than maximum input batch size 3")
    client.channel.close()
