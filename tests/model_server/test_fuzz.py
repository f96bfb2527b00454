"""Ten thousand requests that no honest client sends: nothing crashes, nothing leaks, the next caller is unharmed."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import grpc
import pytest

from .conftest import Client, ServerProcess, Starts, free_port
from .fuzz import RequestFuzzer

MODEL = "plus_two"
REQUESTS = 10_000
CHECK_EVERY = 500
SECONDS = 20
FAULTS_OF_THE_SERVER = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


@pytest.fixture(scope="module")
def server(start: Starts) -> tuple[ServerProcess, int, int]:
    port, rest_port = free_port(), free_port()
    flags = [f"--port={port}", f"--rest_api_port={rest_port}"]
    return start(MODEL, *flags), port, rest_port


def resident_megabytes(process: ServerProcess) -> float:
    """What a server has in memory now."""
    pages = int(Path(f"/proc/{process.process.pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class GrpcSide:
    """Sends bytes to gRPC methods; counts the answers by status."""

    def __init__(self, port: int):
        self.client = Client(f"127.0.0.1:{port}", MODEL)
        self.statuses: Counter[grpc.StatusCode] = Counter()

    def send(self, fuzzer: RequestFuzzer) -> None:
        """Send one request; any status is an answer but those that say the server is at fault."""
        method, content = fuzzer.grpc_request()
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.client.channel.unary_unary(method)
        status, text = self._outcome(call, content)
        is_undecodable = (text or "").startswith("the request is no tensorflow.serving.")
        assert status not in FAULTS_OF_THE_SERVER or is_undecodable, (method, content[:200], status, text)
        self.statuses[status] += 1

    @staticmethod
    def _outcome(
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes], content: bytes
    ) -> tuple[grpc.StatusCode, str | None]:
        try:
            call(content, timeout=SECONDS)
        except grpc.RpcError as error:
            return error.code(), error.details()
        return grpc.StatusCode.OK, None

    def check(self) -> None:
        """An honest request is answered."""
        assert self.client.predict(x=[[2.0]]).outputs["y"].float_val == [3.0]

    def close(self) -> None:
        """Close the connection."""
        self.client.channel.close()


class RestSide:
    """Sends HTTP requests; counts the answers by status."""

    def __init__(self, port: int):
        self.connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self.statuses: Counter[int] = Counter()

    def send(self, fuzzer: RequestFuzzer) -> None:
        """Send one request; any status is an answer but those that say the server is at fault."""
        method, target, body = fuzzer.http_request()
        try:
            self.connection.request(method, target, body, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            content = answer.read()
        except HTTPException as error:  # the connection was closed on what is no HTTP; the next request opens another
            raise AssertionError((method, target, body[:200], error)) from error
        assert answer.status not in (500, 502, 503, 504), (method, target, body[:200], content)
        self.statuses[answer.status] += 1

    def check(self) -> None:
        """An honest request is answered."""
        self.connection.request("POST", f"/v1/models/{MODEL}:predict", b'{"instances": [2.0]}')
        answer = self.connection.getresponse()
        assert (answer.status, answer.read()) == (200, b'{"predictions":[3.0]}')

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("door", ["gRPC", "REST"])
def test_ten_thousand_bad_requests(server: tuple[ServerProcess, int, int], door: str) -> None:
    """The resident size after all stays within a tenth of that after the first quarter."""
    process, port, rest_port = server
    side = GrpcSide(port) if door == "gRPC" else RestSide(rest_port)
    fuzzer = RequestFuzzer(20_26, MODEL)
    warm_megabytes = 0.0
    with closing(side):
        for count in range(1, REQUESTS + 1):
            side.send(fuzzer)
            if count % CHECK_EVERY == 0:
                side.check()
            if count == REQUESTS // 4:
                warm_megabytes = resident_megabytes(process)
    assert process.process.poll() is None
    assert "Traceback" not in process.log
    assert resident_megabytes(process) <= 1.1 * warm_megabytes
    assert len(side.statuses) >= 3, side.statuses  # the requests reach further than the first check
