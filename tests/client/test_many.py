"""``Client.predict_many``: against the real service, and against servers that misbehave on purpose."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from model_service.client import AnswerTimedOut, Client, Form, InputUnusable, PredictionFailed, ServiceUnreachable
from model_service.client.local import LocalService, serve_package

from .servers import Recorder, answering

MakePackage = Callable[..., Path]


@pytest.fixture(scope="module")
def sleeps(make_package: MakePackage) -> Iterator[LocalService]:
    """Sleeps as many seconds as it is told; anything else is its fault or the caller's."""
    with serve_package(make_package("sleeps"), "--backend", "embedded") as service:
        yield service


@pytest.fixture
def nobody() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def seconds(*values: float) -> list[dict[str, float]]:
    return [{"seconds": value} for value in values]


def test_results_come_in_the_order_of_the_items(sleeps: LocalService) -> None:
    items = seconds(0.3, 0.2, 0.1, 0.0, 0.15, 0.05)
    with Client(sleeps.url) as client:
        assert [answer["slept"] for answer in client.predict_many(items)] == [item["seconds"] for item in items]
        assert list(client.predict_many([])) == []


def test_several_are_on_their_way_at_once(sleeps: LocalService) -> None:
    def measure(concurrency: int) -> float:
        began = time.monotonic()
        with Client(sleeps.url) as client:
            assert len(list(client.predict_many(seconds(*[0.15] * 6), concurrency=concurrency))) == 6
        return time.monotonic() - began

    assert measure(6) < 0.6 * measure(1)


def test_a_failed_item_stops_nothing(sleeps: LocalService) -> None:
    items: list[Any] = [*seconds(0.1), {}, {"seconds": "long"}, Form({"images": "/nowhere.png"}), {1}, *seconds(0.0)]
    progress: list[tuple[int, int]] = []
    with Client(sleeps.url) as client:
        results = list(client.predict_many(items, on_progress=lambda done, failed: progress.append((done, failed))))
    assert [type(result) for result in results[1:-1]] == [
        PredictionFailed,
        PredictionFailed,
        InputUnusable,
        InputUnusable,
    ]
    assert [result.status for result in results[1:3]] == [400, 400]
    assert (results[0], results[-1]) == ({"slept": 0.1}, {"slept": 0.0})
    assert progress == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 4)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_endless_input_is_read_only_a_little_ahead(recorder: Recorder, concurrency: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    with Client(recorder.url) as client:
        results = client.predict_many(endless(), concurrency=concurrency)
        for number in range(1, 30):
            assert next(results) == {"ok": True}
            assert taken <= number + 2 * concurrency
        results.close()  # type: ignore[attr-defined]
    assert 1 <= recorder.connections <= concurrency


def test_a_result_does_not_wait_for_an_item_that_comes_late(recorder: Recorder) -> None:
    def slowly() -> Iterator[int]:
        yield 1
        while not recorder.seen:
            time.sleep(0.01)
        time.sleep(0.3)  # its answer is there by now
        yield 2
        raise AssertionError("the third was asked for before the first result was taken")

    with Client(recorder.url) as client:
        assert next(client.predict_many(slowly())) == {"ok": True}


def test_who_is_refused_asks_again(make_package: MakePackage) -> None:
    with (
        serve_package(make_package("sleeps"), "--backend", "embedded", "--threads", "1", "--queue", "0") as service,
        Client(service.url) as client,
    ):
        assert [client.send(item).status for item in seconds(0.0)] == [200]
        assert list(client.predict_many(seconds(0.4, 0.1, 0.1), concurrency=3)) == [
            {"slept": 0.4},
            {"slept": 0.1},
            {"slept": 0.1},
        ]
        assert "answered with 503" in service.log_text()


def test_a_service_that_comes_late_and_is_killed_in_between(make_package: MakePackage, nobody: int) -> None:
    package = make_package("echo")
    killed = threading.Event()
    answered = 0

    def on_progress(done: int, failed: int) -> None:
        nonlocal answered
        answered = done
        if done == 30:
            killed.wait(30)

    def ask() -> list[Any]:
        with Client(f"http://127.0.0.1:{nobody}/") as client:
            items = [{"number": number} for number in range(60)]
            return list(client.predict_many(items, 3, on_progress, patience_seconds=60))

    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(ask)
        time.sleep(0.3)  # some requests are refused
        flags = ("--backend", "embedded", "--port", str(nobody))
        with serve_package(package, *flags) as service:
            while answered < 30:
                assert not asked.done(), asked.result()
                time.sleep(0.01)
            os.kill(service.pid, signal.SIGKILL)
        killed.set()
        with serve_package(package, *flags):
            assert asked.result(60) == [{"data": {"number": number}} for number in range(60)]


def test_patience_is_shared_by_all_items(nobody: int) -> None:
    began = time.monotonic()
    with Client(f"http://127.0.0.1:{nobody}/") as client:
        results = list(client.predict_many(range(100), concurrency=2, patience_seconds=0.5))
    assert {type(result) for result in results} == {ServiceUnreachable}
    assert 0.5 <= time.monotonic() - began < 100 / 2 * 0.5


def test_no_answer_in_time_is_not_asked_for_again() -> None:
    asked = 0
    done = threading.Event()

    def wait(connection: socket.socket) -> None:
        nonlocal asked
        asked += 1
        done.wait(20)

    with answering(wait) as url, Client(url, timeout_seconds=0.2) as client:
        (result,) = client.predict_many([1])
        assert isinstance(result, AnswerTimedOut)
        assert asked == 1
        done.set()


def test_closing_the_iterator_gives_up_what_is_on_its_way() -> None:
    """Nobody waits for the answer, which would take a minute."""
    done, arrived = threading.Event(), threading.Event()

    def answer_first_only(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.recv(65536)
        arrived.set()
        done.wait(60)

    with answering(answer_first_only) as url, Client(url) as client:
        results = client.predict_many(count(), concurrency=1)
        assert next(results) == {}
        assert arrived.wait(20)
        began = time.monotonic()
        results.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 30
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("predict")]
        done.set()


def test_items_that_cannot_be_had(recorder: Recorder) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    with Client(recorder.url) as client, pytest.raises(OSError, match="the disk is gone"):
        list(client.predict_many(items()))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("predict")]


def test_no_threads_at_all(recorder: Recorder) -> None:
    with Client(recorder.url) as client, pytest.raises(ValueError, match="concurrency is 0"):
        client.predict_many([1], concurrency=0)
