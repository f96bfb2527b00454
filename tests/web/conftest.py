"""Running services for the HTTP tests: the real server on a free port, the real embedded model server behind it."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from model_service.client import Client, Reply
from model_service.client.local import LocalService, serve_package

MakePackage = Callable[..., Path]
Serve = Callable[..., LocalService]


@pytest.fixture(scope="module")
def serve(make_package: MakePackage) -> Iterator[Serve]:
    """``serve(name, *flags, model=None)`` serves a copy of tests/packages/<name> until the module's tests end."""
    with ExitStack() as services:

        def start(
            name: str, *flags: str, model: str | None = None, environ: dict[str, str] | None = None
        ) -> LocalService:
            package = make_package(name, model)
            return services.enter_context(serve_package(package, "--backend", "embedded", *flags, environ=environ))

        yield start


@pytest.fixture(scope="module")
def digits(serve: Serve) -> LocalService:
    """A served package whose contract is true both ways; both sides are strict."""
    return serve("digits", "--validate-response", "strict", model="digits")


@pytest.fixture(scope="module")
def raises(serve: Serve) -> LocalService:
    """A served package that raises what the request asks for."""
    return serve("raises")


def png_bytes(size: tuple[int, int] = (28, 28), mode: str = "L") -> bytes:
    """Encode a blank picture."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


def post_picture(service: LocalService, content: bytes | None = None, field: str = "images") -> Reply:
    """Post one picture on a fresh connection."""
    with Client(service.url, timeout_seconds=30) as client:
        return client.send(files={field: ("digit.png", png_bytes() if content is None else content)})


def assert_alive(service: LocalService) -> None:
    """The next request is unharmed."""
    assert post_picture(service).status == 200


def send_raw(service: LocalService, *pieces: bytes, timeout_seconds: float = 20) -> bytes:
    """Send bytes as they are on a fresh connection and read until the server closes it or is silent."""
    parts = urlsplit(service.url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout_seconds) as connection:
        for piece in pieces:
            connection.sendall(piece)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
                head, separator, body = received.partition(b"\r\n\r\n")
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                if separator and length and len(body) >= int(length[0].split(b":")[1]):
                    break
        except ConnectionResetError:
            pass
        return received
