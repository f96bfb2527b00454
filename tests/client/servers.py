"""Servers that do as a test says, where the real one cannot be made to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


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
        with suppress(BrokenPipeError, ConnectionResetError):  # a client that has given up
            self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that treats every connection as ``answer`` says, one after the other; yields its address."""
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
