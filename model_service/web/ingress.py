"""The ASGI edge: what a client may do to us is bounded here, before any thread is spent on it.

Limits on size and time of a body, its length compared, overload answered at once. Behind it stands a WSGI application
in bounded lanes of threads. (Of a request with both length headers the HTTP server takes the chunks and closes the
connection.)
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from model_service.auth.tokens import TokenVerifier
from model_service.errors import DeadlinePassed, HookFailed, Overloaded, RequestError
from model_service.host.bodies import BodyReader, Message, Receive, within
from model_service.host.lanes import Lane
from model_service.inference.pipeline import summary
from model_service.web.responses import Response, error_response

_log = logging.getLogger(__name__)

Scope = Mapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

REQUEST_ID_KEY = "model_service.request_id"
_ids = random.Random()  # ids tell requests apart; they are no secrets
CONTROL_PATHS = ("/health", "/ready")


@dataclass(frozen=True)
class Limits:
    """What one client, and all together, may ask of a worker.

    Attributes:
        body_bytes: the largest body.
        body_seconds: how long a body may take to arrive.
        request_seconds: how long the work on a request may take before the caller gets 504.
        threads: requests worked on at once.
        queue_length: requests that may wait for a thread.
    """

    body_bytes: int
    body_seconds: float
    request_seconds: float
    threads: int
    queue_length: int


class Ingress:
    """An ASGI application in front of a WSGI application."""

    def __init__(self, wsgi_app: WsgiApp, limits: Limits, verifier: TokenVerifier | None, access_log: bool):
        self._wsgi_app = wsgi_app
        self._limits = limits
        self._verifier = verifier
        self._access_log = access_log
        self._lanes: tuple[Lane[Response], Lane[Response]] | None = None
        self._bodies = BodyReader(limits.body_bytes, limits.body_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = _request_id(headers)
        try:
            response = await self._respond(scope, headers, receive, request_id)
        except RequestError as error:
            log_refusal(request_id, scope["method"], scope["path"], error)
            response = error_response(error, request_id)
        if self._access_log:
            _log_access(scope, response, request_id)
        await _send(response, send)

    async def _respond(self, scope: Scope, headers: Mapping[str, str], receive: Receive, request_id: str) -> Response:
        is_control = scope["path"] in CONTROL_PATHS
        if self._verifier is not None and not is_control:
            self._verifier.verify(headers)
        lane = self._lane(is_control)
        if lane.is_full:
            raise Overloaded()
        body = await self._bodies.read(headers, receive)
        if not lane.take_place():
            raise Overloaded()
        environ = _wsgi_environ(scope, headers, body, request_id)
        work = lane.run(lambda: _run_wsgi(self._wsgi_app, environ))
        try:
            return await within(self._limits.request_seconds, work)
        except TimeoutError as error:
            raise DeadlinePassed(f"no answer within {self._limits.request_seconds:g} seconds") from error

    def _lane(self, is_control: bool) -> Lane[Response]:
        """Probes have a lane of their own, so that a busy service still says that it is alive."""
        if self._lanes is None:
            inference = Lane[Response]("inference", self._limits.threads, self._limits.queue_length)
            self._lanes = inference, Lane[Response]("control", 2, 64)
        return self._lanes[is_control]

    def count_requests(self) -> int:
        """How many requests for predictions have been worked on."""
        return self._lanes[0].finished if self._lanes is not None else 0


def _request_id(headers: Mapping[str, str]) -> str:
    """The caller's own id when it is short and plain, else a new one."""
    given = headers.get("x-request-id", "")
    if 0 < len(given) <= 64 and given.isascii() and given.replace("-", "").replace("_", "").isalnum():
        return given
    return f"{_ids.getrandbits(128):032x}"


def _wsgi_environ(scope: Scope, headers: Mapping[str, str], body: bytes, request_id: str) -> dict[str, Any]:
    server = scope.get("server") or ("127.0.0.1", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        REQUEST_ID_KEY: request_id,
    }
    for name, value in headers.items():
        if name not in ("content-type", "content-length", "transfer-encoding"):
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def _run_wsgi(app: WsgiApp, environ: dict[str, Any]) -> Response:
    """Run the application in this thread; never raises."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        started[:] = [int(status[:3]), headers]

    try:
        chunks = app(environ, start_response)
        body = b"".join(chunks)
        return Response(started[0], body, dict(started[1]))
    except BaseException:  # noqa: BLE001 - the thread must live and the caller be answered
        _log.exception("request %s: the application failed", environ[REQUEST_ID_KEY])
        return error_response(HookFailed(), environ[REQUEST_ID_KEY])


def log_refusal(request_id: str, method: str, path: str, error: RequestError, cause: Exception | None = None) -> None:
    """Log why a request failed; with the traceback of ``cause`` where the fault is on our side."""
    level = logging.INFO if error.status < 500 and cause is None else logging.ERROR
    places = f" ({summary(error.violations)})" if error.violations else ""
    text = "request %s: %s %r answered with %d: %s%s"
    _log.log(level, text, request_id, method, path, error.status, error, places, exc_info=cause)


def _log_access(scope: Scope, response: Response, request_id: str) -> None:
    client = (scope.get("client") or ("-",))[0]
    _log.info("%s %s %r %d %s", client, scope["method"], scope["path"], response.status, request_id)


async def _send(response: Response, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if "Content-Length" not in response.headers:
        headers.append((b"content-length", str(len(response.body)).encode()))
    if response.status in (401, 408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": False})
