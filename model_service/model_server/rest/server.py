"""The HTTP server of the REST API: sockets and HTTP by granian in a thread of its own, limits and threads by us."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server as HttpServer

from model_service.errors import BadRequest, RequestError
from model_service.host.bodies import BodyReader, Message, Receive, within
from model_service.host.lanes import Lane
from model_service.model_server.rest.api import RestApi, RestResponse, error_response
from model_service.model_server.rest.json_text import encode_error
from model_service.model_server.sockets import joined_address
from model_service.model_server.status import Code, ServingError

_log = logging.getLogger(__name__)

Page = Callable[[], tuple[str, bytes]]

_MAX_BODY_BYTES = 256 << 20
_BODY_SECONDS = 60.0
_HEADER_MILLISECONDS = 15_000
_QUEUE_LENGTH = 1024
_START_SECONDS = 10.0
_LOCAL_HOSTS = ("127.0.0.1", "0.0.0.0", "::1", "::")
_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}


@dataclass(frozen=True)
class RestOptions:
    """How the API is served.

    Attributes:
        host: the address to listen on.
        port: the port.
        threads: requests worked on at once.
        timeout_seconds: how long the work on a request may take before the caller gets 504.
        has_cors: whether answers carry CORS headers.
    """

    host: str
    port: int
    threads: int
    timeout_seconds: float
    has_cors: bool = False

    @property
    def shown_address(self) -> str:
        """The address as the real server has it in its log, unless this machine's own name does not lead to it."""
        return joined_address("localhost" if self.host in _LOCAL_HOSTS else self.host, self.port)


class RestServer:
    """Serves the REST API, and pages beside it, until it is stopped.

    Args:
        api: answers requests.
        options: how.
        pages: what further paths show: a path to a callable that returns content type and body.
    """

    def __init__(self, api: RestApi, options: RestOptions, pages: Mapping[str, Page]):
        self._api = api
        self._options = options
        self._pages = pages
        self._bodies = BodyReader(_MAX_BODY_BYTES, _BODY_SECONDS)
        self._lane = Lane[RestResponse]("rest", options.threads, _QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._run, name="rest-server", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: HttpServer | None = None

    def start(self) -> None:
        """Listen, and return when connections are accepted.

        Raises:
            ServingError: the address cannot be listened on.
        """
        address = (self._options.host, self._options.port)
        family = socket.AF_INET6 if ":" in self._options.host else socket.AF_INET
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(address)
            except (OSError, OverflowError) as error:
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Failed to start HTTP Server at {self._options.shown_address}: {error}",
                ) from error
        self._thread.start()
        self._wait_until_listening(address)
        _log.info("Exporting HTTP/REST API at:%s ...", self._options.shown_address)

    def stop(self, grace_seconds: float) -> None:
        """Accept nothing more, let what is in flight end, at most ``grace_seconds``, and close."""
        if self._loop is not None and self._http is not None:
            self._loop.call_soon_threadsafe(self._http.stop)
            self._thread.join(grace_seconds)

    def _run(self) -> None:
        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)  # the HTTP server asks for it
        loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = HttpServer(
            self._handle,
            address=self._options.host,
            port=self._options.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
            websockets=False,
            log_enabled=False,
            backlog=1024,
        )
        await self._http.serve()

    def _wait_until_listening(self, address: tuple[str, int]) -> None:
        waiting = threading.Event()
        for _ in range(int(_START_SECONDS / 0.02)):
            try:
                socket.create_connection(address, timeout=1).close()
            except OSError:
                waiting.wait(0.02)
            else:
                return
        raise ServingError(Code.UNAVAILABLE, f"the HTTP server does not listen at {address[0]}:{address[1]}")

    async def _handle(
        self, scope: Mapping[str, Any], receive: Receive, send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        response = await self._respond(scope, receive)
        await _send(response, _CORS_HEADERS if self._options.has_cors else {}, send)

    async def _respond(self, scope: Mapping[str, Any], receive: Receive) -> RestResponse:
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if scope["method"] == "OPTIONS" and self._options.has_cors:
                return RestResponse(200, b"")
            body = await self._bodies.read(headers, receive)
        except RequestError as error:
            return RestResponse(error.status, encode_error(str(error)))
        if not self._lane.take_place():
            return RestResponse(503, encode_error("the server is overloaded; try again"))
        work = self._lane.run(lambda: self._answer(scope["method"], path, headers, body))
        try:
            return await within(self._options.timeout_seconds, work)
        except TimeoutError:
            return error_response(ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification"))

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> RestResponse:
        """Answer in this thread; never raises."""
        try:
            page = self._pages.get(path)
            if page is not None and method == "GET":
                content_type, content = page()
                return RestResponse(200, content, {"Content-Type": content_type})
            return self._api.answer(method, path, _unzipped(body, headers))
        except ServingError as error:
            return error_response(error)
        except RequestError as error:
            return RestResponse(error.status, encode_error(str(error)))
        except BaseException:  # a bad request must never end the server  # noqa: BLE001
            _log.exception("%s %s failed", method, path[:200])
            return error_response(ServingError(Code.INTERNAL, "internal error"))


def _unzipped(body: bytes, headers: Mapping[str, str]) -> bytes:
    if "gzip" not in headers.get("content-encoding", "").lower():
        return body
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        content = unzip.decompress(body, _MAX_BODY_BYTES)
    except zlib.error as error:
        raise BadRequest("the body is no gzip stream, as its Content-Encoding says") from error
    if unzip.unconsumed_tail:
        raise BadRequest(f"the body is larger than {_MAX_BODY_BYTES} bytes", status=413)
    if not unzip.eof:
        raise BadRequest("the gzip stream of the body is cut short")
    return content


async def _send(response: RestResponse, extra: Mapping[str, str], send: Callable[[Message], Awaitable[None]]) -> None:
    headers = {**response.headers, **extra, "Content-Length": str(len(response.body))}
    if response.status in (408, 413):
        headers["Connection"] = "close"
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    await send({"type": "http.response.body", "body": response.body, "more_body": False})
