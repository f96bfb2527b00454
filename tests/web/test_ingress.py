"""What clients do to a server on purpose or by accident; the next request is always unharmed."""

from __future__ import annotations

import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from model_service.client import Client, Reply
from model_service.client.local import LocalService

from .conftest import Serve, send_raw

SECONDS = 20
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def echo(serve: Serve) -> LocalService:
    return serve("echo", "--threads", "2", "--queue", "64")


@pytest.fixture(scope="module")
def narrow(serve: Serve) -> LocalService:
    """One request at a time, and nobody waits: a place that is not given back is seen at once."""
    return serve("sleeps", "--threads", "1", "--queue", "0")


def connect(service: LocalService) -> socket.socket:
    parts = urlsplit(service.url)
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=SECONDS)


def post(service: LocalService, value: object) -> Reply:
    with Client(service.url, timeout_seconds=SECONDS) as client:
        return client.send(value)


def assert_alive(service: LocalService) -> None:
    assert post(service, {"a": 1}).json() == {"data": {"a": 1}}


def json_request(value: object, *headers: str) -> bytes:
    body = json.dumps(value).encode()
    extra = "".join(f"{header}\r\n" for header in headers).encode()
    return HEAD + extra + b"Content-Length: %d\r\n\r\n" % len(body) + body


def read_answer(connection: socket.socket, received: bytearray) -> tuple[int, dict[bytes, bytes], bytes]:
    """Read one answer with a Content-Length off a kept connection."""
    while b"\r\n\r\n" not in received:
        received += fresh_bytes(connection)
    head, _, rest = bytes(received).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = {name.lower(): text.strip() for name, _, text in (line.partition(b":") for line in lines)}
    length = int(headers[b"content-length"])
    received[:] = rest
    while len(received) < length:
        received += fresh_bytes(connection)
    body = bytes(received[:length])
    del received[:length]
    return int(status.split()[1]), headers, body


def fresh_bytes(connection: socket.socket) -> bytes:
    chunk = connection.recv(65536)
    assert chunk, "the server closed the connection"
    return chunk


def wait_until_answered(service: LocalService, seconds: float = 10) -> None:
    """Ask again while the only place is taken."""
    deadline = time.monotonic() + seconds
    while (reply := post(service, {"seconds": 0})).status == 503:
        assert time.monotonic() < deadline, "the place of a client that went away is never given back"
        time.sleep(0.02)
    assert reply.status == 200


def test_six_slow_uploads_do_not_stop_others(echo: LocalService) -> None:
    with ExitStack() as uploads:
        slow = [uploads.enter_context(connect(echo)) for _ in range(6)]
        for upload in slow:
            upload.sendall(HEAD + b'Content-Length: 10\r\n\r\n{"b')
        started = time.monotonic()
        for _ in range(20):
            assert_alive(echo)
        assert time.monotonic() - started < 5
        for upload in slow:
            upload.sendall(b'": 12}')
        for upload in slow:
            upload.sendall(b"}")
            assert read_answer(upload, bytearray())[0] in (200, 400)


def test_slow_uploads_take_no_place_in_the_queue(narrow: LocalService) -> None:
    """Eighty clients that are slow to send, where one request at a time is worked on and nobody may wait."""
    with ExitStack() as uploads:
        for _ in range(80):
            upload = uploads.enter_context(connect(narrow))
            upload.sendall(HEAD + b'Content-Length: 14\r\n\r\n{"seco')
        assert post(narrow, {"seconds": 0}).status == 200


def test_slow_uploads_together_hold_a_bounded_number_of_bytes(serve: Serve) -> None:
    service = serve("echo", "--max-body-bytes", "1000")
    with ExitStack() as uploads:
        slow = [uploads.enter_context(connect(service)) for _ in range(20)]
        for upload in slow:
            upload.sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + b" " * 990)
        refused = []
        for upload in slow:
            upload.settimeout(0.2)
            with suppress(TimeoutError):
                refused.append(read_answer(upload, bytearray())[0])
    assert refused == [503] * 4
    assert_alive(service)


def test_slow_uploads_end_well_when_they_end(echo: LocalService) -> None:
    body = b'{"bb": 12}'
    with connect(echo) as upload:
        upload.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body))
        for byte in body:
            upload.sendall(bytes([byte]))
        assert json.loads(read_answer(upload, bytearray())[2]) == {"data": {"bb": 12}}


@pytest.mark.parametrize("chunked_first", [False, True])
def test_two_lengths_cannot_smuggle_a_request(echo: LocalService, chunked_first: bool) -> None:
    """The chunks count, as RFC 9112 has it, and the connection ends: what follows is nobody's request."""
    lengths = [b"Content-Length: 8\r\n", b"Transfer-Encoding: chunked\r\n"]
    chunks = b'8\r\n{"a": 1}\r\n0\r\n\r\n'
    smuggled = json_request({"smuggled": 1})
    answer = exchange(echo, HEAD + b"".join(sorted(lengths, reverse=chunked_first)) + b"\r\n" + chunks + smuggled)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"smuggled" not in answer
    assert answer.startswith(b"HTTP/1.1 400 ") or b"connection: close" in answer
    assert_alive(echo)


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 8\r\nContent-Length: 9\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x8\r\n",
        b"Content-Length: +8\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: gzip\r\n",
    ],
)
def test_lengths_that_mean_nothing(echo: LocalService, lengths: bytes) -> None:
    answer = send_raw(echo, HEAD + lengths + b'\r\n{"a": 1}')
    assert answer == b"" or answer.split(b" ", 2)[1] in (b"400", b"413", b"501")
    assert_alive(echo)


def test_chunked_body(echo: LocalService) -> None:
    answer = send_raw(echo, HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n4;x=y\r\n: 1}\r\n0\r\n\r\n')
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"data": {"a": 1}}


def test_chunks_that_mean_nothing(echo: LocalService) -> None:
    for chunks in (b"zz\r\n{}", b"-4\r\n{}", b"4\r\n{}", b"ffffffffffffffff\r\n{}"):
        with connect(echo) as connection:
            connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            connection.shutdown(socket.SHUT_WR)
            assert b" 200 " not in connection.recv(65536)
    assert_alive(echo)


def test_body_shorter_than_announced(narrow: LocalService) -> None:
    for _ in range(5):
        with connect(narrow) as connection:
            connection.sendall(HEAD + b'Content-Length: 50\r\n\r\n{"seconds": 0}')
            connection.shutdown(socket.SHUT_WR)
            assert not connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    wait_until_answered(narrow)


@pytest.mark.parametrize(
    "body",
    [b'Content-Length: 50\r\n\r\n{"a": 1}', b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\0\r\n\r\n'],
    ids=["short", "bad chunk"],
)
def test_body_that_breaks_off_is_the_callers_fault(echo: LocalService, body: bytes) -> None:
    answer = exchange(echo, HEAD + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"MR.0101" in answer


def test_clients_that_go_away_in_mid_upload(narrow: LocalService) -> None:
    for _ in range(10):
        with connect(narrow) as connection:
            connection.sendall(HEAD + b'Content-Length: 50\r\n\r\n{"sec')
    wait_until_answered(narrow)


def test_clients_that_go_away_during_the_work(narrow: LocalService) -> None:
    for _ in range(3):
        with connect(narrow) as connection:
            connection.sendall(json_request({"seconds": 0.3}))
        wait_until_answered(narrow)
    assert "Traceback" not in narrow.log_text()


def test_idle_connections_cost_nothing(echo: LocalService) -> None:
    with ExitStack() as idle:
        for _ in range(200):
            idle.enter_context(connect(echo))
        assert_alive(echo)


def test_many_requests_at_once(echo: LocalService) -> None:
    def ask(number: int) -> Reply:
        return post(echo, {"number": number})

    with ThreadPoolExecutor(60) as pool:
        replies = list(pool.map(ask, range(60)))
    assert [reply.json() for reply in replies] == [{"data": {"number": number}} for number in range(60)]


def test_pipelined_requests_are_answered_in_order(echo: LocalService) -> None:
    with connect(echo) as connection:
        requests = [json_request({"number": number}, f"X-Request-Id: id-{number}") for number in range(10)]
        connection.sendall(b"".join(requests))
        received = bytearray()
        for number in range(10):
            status, headers, body = read_answer(connection, received)
            assert (status, headers[b"x-request-id"]) == (200, b"id-%d" % number)
            assert json.loads(body) == {"data": {"number": number}}


def test_a_kept_connection_survives_errors(echo: LocalService) -> None:
    with Client(echo.url, timeout_seconds=SECONDS) as client:
        for _ in range(3):
            assert client.send({}).status == 400
            assert client.get("/nope").status == 404
            assert client.send({"a": 1}).status == 200


@pytest.mark.parametrize(
    "header",
    [b"X-Big: " + b"x" * 2_000_000, b"".join(b"X-%d: y\r\n" % number for number in range(2000)) + b"X: y"],
    ids=["long", "many"],
)
def test_huge_headers(echo: LocalService, header: bytes) -> None:
    try:
        answer = send_raw(echo, HEAD + header + b"\r\nContent-Length: 8\r\n\r\n" + b'{"a": 1}')
    except (BrokenPipeError, ConnectionResetError):
        answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert_alive(echo)


def test_a_kilobyte_header_is_nothing_special(echo: LocalService) -> None:
    answer = send_raw(echo, json_request({"a": 1}, "Authorization: Bearer " + "x" * 8000))
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("target", [b"/", b"/nope", b"/health"])
def test_head_gets_no_body(echo: LocalService, target: bytes) -> None:
    with connect(echo) as connection:
        connection.sendall(b"HEAD " + target + b" HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while not received.endswith(b'{"status": "OK"}'):
            received += fresh_bytes(connection)
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert len(answers) == 2
    assert answers[0].split(b"\r\n\r\n")[1] == b""


@pytest.mark.parametrize("method", [b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"BREW"])
def test_methods_that_are_not_supported(echo: LocalService, method: bytes) -> None:
    answer = send_raw(echo, method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b'"erno": "MR.0101"' in answer


@pytest.mark.parametrize("start", [b"OPTIONS * HTTP/1.1", b"CONNECT x:1 HTTP/1.1", b"GET http://x/health HTTP/1.1"])
def test_odd_request_targets(echo: LocalService, start: bytes) -> None:
    answer = send_raw(echo, start + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ", 2)[1] in (b"200", b"400", b"404", b"405")
    assert_alive(echo)


def test_percent_encoded_paths(echo: LocalService) -> None:
    with Client(echo.url, timeout_seconds=SECONDS) as client:
        assert client.get("/%68ealth").status == 200
        for path in ("/%ff%fe", "/%", "/%zz", "/%00", "/%e4%bd%a0", "/..%2f..%2fetc/passwd", "/health%0d%0aX:%20y"):
            reply = client.get(path)
            assert reply.status in (400, 404), path
            assert "x" not in reply.headers


@pytest.mark.parametrize("target", [b"/\xff\xfe", b"/\xe4\xbd\xa0", b"/a b", b"", b"nope", b"/" + b"a" * 70_000])
def test_paths_that_are_none(echo: LocalService, target: bytes) -> None:
    answer = send_raw(echo, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer == b"" or answer.split(b" ", 2)[1] in (b"400", b"404", b"414")
    assert_alive(echo)


def test_header_values_that_are_not_ascii(echo: LocalService) -> None:
    request = json_request({"a": 1}).replace(b"Host: x\r\n", b"Host: x\r\nX-Name: \xff\xe4\r\nX-Request-Id: \xff\r\n")
    assert send_raw(echo, request).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
    assert_alive(echo)


def test_expect_continue(echo: LocalService) -> None:
    body = b'{"a": 1}'
    with connect(echo) as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read_answer(connection, bytearray())[0] == 200


def test_http_1_0(echo: LocalService) -> None:
    answer = send_raw(echo, b"GET /health HTTP/1.0\r\n\r\n")
    assert answer.split(b" ", 2)[1] == b"200"


SEEDS = (
    json_request({"a": 1}),
    b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /?a=1&b=%41 HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 7\r\n\r\na=1&b=2",
    HEAD + b'Transfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n',
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 98\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n'
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\r\n--b--\r\n",
)


def mutated(random_source: random.Random) -> bytes:
    content = bytearray(random_source.choice(SEEDS))
    for _ in range(random_source.randint(1, 8)):
        place = random_source.randrange(len(content) + 1)
        kind = random_source.randrange(5)
        if kind == 0:
            content[place:place] = random_source.randbytes(random_source.randint(1, 20))
        elif kind == 1:
            del content[place : place + random_source.randint(1, 20)]
        elif kind == 2 and place < len(content):
            content[place] = random_source.randrange(256)
        elif kind == 3:
            content[place:place] = content[place : place + 40]
        else:
            content[place:place] = random_source.choice(
                (b"\r\n", b"\0", b"%", b'"', b"{", b";", b"9" * 20, b"--b", b"name*=utf-8''%ff")
            )
    return bytes(content)


def exchange(service: LocalService, content: bytes) -> bytes:
    """Send bytes, say that no more will come, and read all that is answered."""
    received = b""
    try:
        with connect(service) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
    except (BrokenPipeError, ConnectionResetError):
        pass
    return received


def test_three_hundred_mutated_requests_leave_the_server_alive(echo: LocalService) -> None:
    random_source = random.Random(20190131)
    contents = [mutated(random_source) for _ in range(300)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda content: exchange(echo, content), contents))
    for content, answer in zip(contents, answers, strict=True):
        assert b"Traceback" not in answer, content
    assert sum(answer.startswith(b"HTTP/1.1 ") for answer in answers) > 100
    assert_alive(echo)
    assert "Traceback" not in echo.log_text()
