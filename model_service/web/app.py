"""The Flask application: routes, and the one place that turns errors into answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import flask
from flask.sessions import NullSession, SessionInterface
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from model_service.errors import BadRequest, HookFailed, RequestError, ResponseContractBroken
from model_service.inference.pipeline import Pipeline
from model_service.web.ingress import REQUEST_ID_KEY, log_refusal
from model_service.web.request_data import Body, parse_request
from model_service.web.responses import Response, answer_response, error_response, json_response


@dataclass(frozen=True)
class Readiness:
    """Whether the service can answer now, and what to show of why not."""

    is_ready: bool
    details: dict[str, Any]


def create_app(
    pipeline: Pipeline, urls: list[str], max_image_pixels: int, readiness: Callable[[], Readiness]
) -> flask.Flask:
    """Make the application.

    Args:
        pipeline: answers requests.
        urls: the paths that answer predictions.
        max_image_pixels: the largest image accepted.
        readiness: asked by ``/ready``.
    """
    app = flask.Flask("model_service", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.redirect_defaults = False
    app.session_interface = _NoSessions()

    def predict(url: str) -> flask.Response:
        environ = flask.request.environ
        body = Body(environ["wsgi.input"].getvalue(), environ["CONTENT_TYPE"], environ["QUERY_STRING"])
        answer = pipeline.run(parse_request(body, max_image_pixels), url)
        return _to_flask(answer_response(answer, environ[REQUEST_ID_KEY]))

    def health() -> flask.Response:
        return _to_flask(json_response(200, {"status": "OK"}))

    def ready() -> flask.Response:
        state = readiness()
        return _to_flask(json_response(200 if state.is_ready else 503, state.details))

    for url in urls:
        app.add_url_rule(url, url, partial(predict, url), methods=["POST"], provide_automatic_options=False)
    app.add_url_rule("/health", "health", health, methods=["GET"], provide_automatic_options=False)
    app.add_url_rule("/ready", "ready", ready, methods=["GET"], provide_automatic_options=False)
    app.register_error_handler(Exception, _handle)
    return app


class _NoSessions(SessionInterface):
    """Requests share nothing; Flask would look for a cookie at each."""

    def open_session(self, app: flask.Flask, request: flask.Request) -> NullSession:
        """Return the same empty session for all."""
        return _EMPTY_SESSION


_EMPTY_SESSION = NullSession()


def _handle(error: Exception) -> flask.Response:
    request_error = _as_request_error(error)
    request_id = _request_id()
    is_ours_to_mend = isinstance(request_error, HookFailed | ResponseContractBroken)
    log_refusal(
        request_id,
        flask.request.method,
        flask.request.path,
        request_error,
        error if is_ours_to_mend else None,
    )
    return _to_flask(error_response(request_error, request_id))


def _as_request_error(error: Exception) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HTTPException):
        if error.code == 405:
            return BadRequest(f"{flask.request.method} is not supported here; use POST", status=405)
        if error.code == 404:
            return BadRequest("no such path", status=404)
        if error.code is not None and 400 <= error.code < 500:
            return BadRequest(error.name, status=error.code)
    return HookFailed()


def _request_id() -> str:
    return str(flask.request.environ[REQUEST_ID_KEY])


class _FinishedResponse(flask.Response):
    """A response whose headers are complete; Werkzeug would copy and look through them once more."""

    def get_wsgi_headers(self, environ: Mapping[str, Any]) -> Headers:
        """Return the headers as they are."""
        return self.headers


def _to_flask(response: Response) -> flask.Response:
    headers = Headers([*response.headers.items(), ("Content-Length", str(len(response.body)))])
    return _FinishedResponse(response.body, response.status, headers)
