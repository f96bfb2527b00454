"""The Python client, against a server that does as the test says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from model_service.client import Client, Reply, ServiceUnreachable
from model_service.client.local import package_file_field
from model_service.errors import ModelServiceError

from .servers import Recorder, answering

REFUSED = b'{"erno": "MR.0101"}'


def test_json_goes_to_the_path_of_the_url(recorder: Recorder) -> None:
    with Client(recorder.url + "/v1/infers?x=1") as client:
        reply = client.send({"a": "\u4f60"})
    assert reply == Reply(200, reply.headers, b'{"ok": true}')
    assert reply.json() == {"ok": True}
    assert reply.headers["x-odd"] == "1"
    method, path, headers, body = recorder.seen[0]
    assert (method, path, headers["content-type"]) == ("POST", "/v1/infers?x=1", "application/json")
    assert json.loads(body) == {"a": "\u4f60"}
    assert "x-auth-token" not in headers


def test_other_paths_of_the_same_service(recorder: Recorder) -> None:
    with Client(recorder.url + "/v1/infers", token="secret") as client:
        assert client.get("/ready").status == 200
    assert recorder.seen[0][:2] == ("GET", "/ready")
    assert recorder.seen[0][2]["x-auth-token"] == "secret"


def test_one_connection_is_kept(recorder: Recorder) -> None:
    with Client(recorder.url) as client:
        assert [client.get(f"/{status}").status for status in (200, 404, 500, 503)] == [200, 404, 500, 503]
        assert client.send(1).status == 200
    assert recorder.connections == 1


def hang_up(connection: socket.socket) -> None:
    connection.recv(65536)


def talk_nonsense(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-nothing\r\n\r\n")


def break_off(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


@pytest.mark.parametrize("answer", [hang_up, talk_nonsense, break_off])
def test_a_server_that_does_not_answer_properly(answer: Callable[[socket.socket], None]) -> None:
    with answering(answer) as url, Client(url, timeout_seconds=10) as client:
        for _ in range(2):  # the connection is opened anew
            with pytest.raises(ServiceUnreachable, match=url):
                client.send({"a": 1})


def test_a_server_that_is_too_slow() -> None:
    waiting = threading.Event()

    def wait(connection: socket.socket) -> None:
        waiting.wait(20)

    with answering(wait) as url, Client(url, timeout_seconds=0.2) as client:
        with pytest.raises(ServiceUnreachable, match="timed out"):
            client.get("/health")
        waiting.set()


def test_a_kept_connection_that_was_closed_while_idle_is_opened_anew() -> None:
    def answer_once(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")  # and close it, without a word

    with answering(answer_once) as url, Client(url, timeout_seconds=10) as client:
        assert [client.predict({"a": number}) for number in range(3)] == [{}, {}, {}]


def test_an_answer_before_the_end_of_a_big_body_is_read() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(100)
        answer = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(REFUSED)
        connection.sendall(answer + REFUSED)
        connection.shutdown(socket.SHUT_RDWR)

    with answering(refuse) as url, Client(url, timeout_seconds=20) as client:
        reply = client.send(files={"images": bytes(20_000_000)})
        assert (reply.status, reply.json()) == (413, {"erno": "MR.0101"})


def test_nobody_listens() -> None:
    with Client("http://127.0.0.1:1/") as client, pytest.raises(ServiceUnreachable, match="ConnectionRefusedError"):
        client.get("/health")


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "ftp://x/", "http://", "http:///path", "http://x:port/", "http://x:99999/", "http://[::1/"],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ModelServiceError):
        Client(url)


@pytest.mark.parametrize(("name", "field"), [("digits", "images"), ("echo", None), ("broken_config", None)])
def test_the_field_a_package_wants(make_package: Any, name: str, field: str | None) -> None:
    assert package_file_field(make_package(name)) == field
