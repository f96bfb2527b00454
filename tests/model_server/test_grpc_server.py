"""The gRPC server itself: its health service, its arguments, its threads."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from .conftest import CALL_SECONDS, Client, Connects, Starts, wait_until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def client(start: Starts, connect: Connects) -> Client:
    return connect(start("slow"))


def _check(client: Client, service: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    status: int = health_pb2_grpc.HealthStub(client.channel).Check(request, timeout=CALL_SECONDS).status
    return status


def _watch(client: Client) -> Iterator[Any]:
    stub = health_pb2_grpc.HealthStub(client.channel)
    answers: Iterator[Any] = stub.Watch(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)
    return answers


def test_health_check(client: Client) -> None:
    assert _check(client) == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        _check(client, "no.such.Service")
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_watchers_hold_no_threads(start: Starts, connect: Connects) -> None:
    client = connect(start("slow", "--grpc_max_threads=1"))
    watches = [_watch(client) for _ in range(5)]
    assert [next(watch).status for watch in watches] == [SERVING] * 5
    assert client.predict(n=1).outputs["counted"].int_val == [1]


def test_watchers_are_told_of_the_end_before_it_comes(start: Starts, connect: Connects) -> None:
    """NOT_SERVING comes while a call is in flight; an open watch does not hold up the end."""
    server = start("slow")
    client = connect(server)
    client.predict(n=1)
    watch = _watch(client)
    assert next(watch).status == SERVING
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.predict, n=1_500_000)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        assert not answer.done()
        assert answer.result(CALL_SECONDS).outputs["counted"].int_val == [1_500_000]
    ended = time.monotonic()
    assert server.wait() == 0
    assert time.monotonic() - ended < 5


def test_the_health_service_can_be_turned_off(start: Starts, connect: Connects) -> None:
    client = connect(start("slow", "--enable_grpc_healthcheck_service=false"))
    with pytest.raises(grpc.RpcError) as caught:
        _check(client)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_channel_arguments_take_effect(start: Starts, connect: Connects) -> None:
    arguments = "grpc.max_receive_message_length=1000,grpc.max_connection_age_ms=2000,grpc.primary_user_agent=x"
    client = connect(start("echo", f"--grpc_channel_arguments={arguments}"))
    assert len(client.predict("float32", x=[0.5] * 100).outputs["y"].float_val) == 100
    code, text = client.refusal(client.request("float32", x=[0.5] * 1000))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in text


def test_large_messages_pass_without_arguments(start: Starts, connect: Connects) -> None:
    client = connect(start("echo"))
    text = b"x" * (5 << 20)  # gRPC's own limit is 4 MiB
    assert client.predict("string", x=[text]).outputs["y"].string_val == [text]


@pytest.mark.parametrize(("threads", "at_once"), [(1, False), (4, True)])
def test_as_many_calls_at_once_as_threads(start: Starts, connect: Connects, threads: int, at_once: bool) -> None:
    client = connect(start("slow", f"--grpc_max_threads={threads}"))
    client.predict(n=1)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(client.predict, n=1_500_000)
        time.sleep(0.3)
        quick = pool.submit(client.predict, n=1)
        wait_until(quick.done)
        assert slow.done() is not at_once
        assert slow.result(CALL_SECONDS).outputs["counted"].int_val == [1_500_000]
