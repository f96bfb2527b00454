"""The Python client, against a server that does as the test says."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import multipart
import pytest

from model_service.client import Client, Reply, ServiceUnreachable
from model_service.client.http import encode_form, read_upload
from model_service.client.local import package_file_field
from model_service.errors import ModelServiceError

REFUSED = b'{"erno": "MR.0101"}'


class Recorder(ThreadingHTTPServer):
    """Keeps what it was sent; answers with the status that the path names."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, body))
        status = self.path.strip("/").partition("?")[0]
        content = b'{"ok": true}'
        self.send_response(int(status) if status.isdigit() else 200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Odd", "1")
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def test_json_goes_to_the_path_of_the_url(recorder: Recorder) -> None:
    with Client(recorder.url + "/v1/infers?x=1") as client:
        reply = client.predict_json({"a": "\u4f60"})
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
        assert client.predict_json(1).status == 200
    assert recorder.connections == 1


def parsed(body: bytes, content_type: str) -> dict[str, tuple[str | None, str, bytes]]:
    boundary = content_type.partition("boundary=")[2]
    parser = multipart.MultipartParser(io.BytesIO(body), boundary)
    return {part.name: (part.filename, part.content_type, part.raw) for part in parser}


def test_a_form_holds_what_it_was_given() -> None:
    files = [("images", "a.png", b"\x89PNG\r\n--\x00"), ("\u4f60", "\u597d.unknown", b"")]
    body, content_type = encode_form(files, {"text": "caf\u00e9\r\n"})
    assert content_type.startswith("multipart/form-data; boundary=")
    assert parsed(body, content_type) == {
        "text": (None, "text/plain", "caf\u00e9\r\n".encode()),
        "images": ("a.png", "image/png", b"\x89PNG\r\n--\x00"),
        "\u4f60": ("\u597d.unknown", "application/octet-stream", b""),
    }


def test_names_cannot_break_out_of_their_header() -> None:
    body, _ = encode_form([('f"; x="', 'a"\r\nX: y\r\n\r\n.png', b"1")], {})
    head = body.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert head[1] == ('Content-Disposition: form-data; name="f%22; x=%22"; filename="a%22%0D%0AX: y%0D%0A%0D%0A.png"')
    assert len(head) == 3


def test_an_empty_form_is_a_form() -> None:
    body, content_type = encode_form([], {})
    assert parsed(body, content_type) == {}


def test_boundaries_differ() -> None:
    assert encode_form([], {})[1] != encode_form([], {})[1]


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that treats every connection as ``answer`` says; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(20)
                    if not done.is_set():
                        answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            done.set()
            socket.create_connection(listener.getsockname(), 20).close()
            thread.join(20)


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
                client.predict_json({"a": 1})


def test_a_server_that_is_too_slow() -> None:
    waiting = threading.Event()

    def wait(connection: socket.socket) -> None:
        waiting.wait(20)

    with answering(wait) as url, Client(url, timeout_seconds=0.2) as client:
        with pytest.raises(ServiceUnreachable, match="timed out"):
            client.get("/health")
        waiting.set()


def test_an_answer_before_the_end_of_a_big_body_is_read() -> None:
    def refuse(connection: socket.socket) -> None:
        connection.recv(100)
        answer = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(REFUSED)
        connection.sendall(answer + REFUSED)
        connection.shutdown(socket.SHUT_RDWR)

    with answering(refuse) as url, Client(url, timeout_seconds=20) as client:
        reply = client.predict_files([("images", "big.png", bytes(20_000_000))])
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


def test_a_file_to_upload(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1")
    assert read_upload(tmp_path / "a.png", "images") == ("images", "a.png", b"1")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelServiceError, match="cannot be read"):
            read_upload(path, "images")


@pytest.mark.parametrize(("name", "field"), [("digits", "images"), ("echo", None), ("broken_config", None)])
def test_the_field_a_package_wants(make_package: Any, name: str, field: str | None) -> None:
    assert package_file_field(make_package(name)) == field
