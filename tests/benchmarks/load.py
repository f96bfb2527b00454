"""A closed-loop HTTP load: every connection sends its next request when the answer to the last one is there."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from model_service.client.form import encode_form


@dataclass(frozen=True)
class Measured:
    """One run of a load.

    Attributes:
        requests: answers with status 200.
        failures: all other answers.
        seconds: length of the run.
        latencies_ms: of every request, sorted.
    """

    requests: int
    failures: int
    seconds: float
    latencies_ms: Sequence[float]

    @property
    def per_second(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency that ``percent`` of the requests stay below."""
        return self.latencies_ms[min(int(len(self.latencies_ms) * percent / 100), len(self.latencies_ms) - 1)]


def multipart_request(url: str, picture: bytes) -> bytes:
    """Encode the bytes of one POST of a picture in the field ``images``."""
    body, content_type = encode_form([("images", "digit.png", picture)], {})
    parts = urlsplit(url)
    head = (
        f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection:
    def __init__(self, address: tuple[str, int], request: bytes):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._received = b""
        self._sent_at = 0.0

    def send(self) -> None:
        self._received = b""
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> tuple[bool, float] | None:
        """Read what is there; (is 200, milliseconds) when the answer is complete."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self._received += piece
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return None
        lines = head.lower().split(b"\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
        if len(body) < length:
            return None
        return b" 200 " in lines[0] + b" ", (time.perf_counter() - self._sent_at) * 1000


def run_load(url: str, picture: bytes, clients: int, seconds: float) -> Measured:
    """Load a service with ``clients`` connections from this process and thread."""
    parts = urlsplit(url)
    request = multipart_request(url, picture)
    selector = selectors.DefaultSelector()
    for _ in range(clients):
        connection = _Connection((parts.hostname or "", parts.port or 80), request)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
    started = time.perf_counter()
    latencies: list[float] = []
    failures = 0
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(timeout=1):
            answered = key.data.receive()
            if answered is not None:
                is_ok, milliseconds = answered
                failures += not is_ok
                latencies.append(milliseconds)
                key.data.send()
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return Measured(len(latencies) - failures, failures, now - started, sorted(latencies))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def proportional_megabytes(pid: int) -> float:
    """Proportional set size: shared pages counted by share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
