"""A client of one running service."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from model_service.client.form import Files, Form, encode
from model_service.client.many import DEFAULT_PATIENCE_SECONDS, Crew
from model_service.client.reply import AnswerTimedOut, Reply, ServiceUnreachable
from model_service.errors import ModelServiceError

_NOTHING: Any = object()


class Client:
    """Talks to the service at ``url`` over one kept connection. Not safe to share between threads.

    ::

        with Client("http://127.0.0.1:8080/") as client:
            client.predict({"numbers": [1, 2]})                            # a JSON body
            client.predict(files={"images": "digit.png"})                  # an upload
            client.predict(files={"images": ["a.png", "b.png"]}, fields={"side": "left"})
            for answer in client.predict_many(Form({"images": path}) for path in paths):
                ...

    Args:
        url: ``http://host:port/path`` or ``https://...``; requests go to its path.
        token: sent as ``X-Auth-Token``.
        timeout_seconds: for connecting and for each answer.

    Raises:
        ModelServiceError: ``url`` is none.
    """

    def __init__(self, url: str, token: str | None = None, timeout_seconds: float = 60.0):
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ModelServiceError(f"{url}: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ModelServiceError(f"{url}: must begin with http:// or https:// and name a host")
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = make(parts.hostname, port, timeout=timeout_seconds)
        self._url = url
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"X-Auth-Token": token} if token else {}
        self._is_aborted = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def predict(
        self, data: Any = _NOTHING, *, files: Files | None = None, fields: Mapping[str, str] | None = None
    ) -> Any:
        """Ask for one prediction.

        Args:
            data: a JSON value (NumPy arrays are sent as lists), or a :class:`Form`.
            files: instead of ``data``: uploads by form field, each a path, bytes, a binary file object, a Pillow image,
                a pair of file name and content, or a list of these.
            fields: instead of ``data``, or beside ``files``: texts by form field.

        Returns:
            The answer as parsed from JSON.

        Raises:
            PredictionFailed: the service answered with another status than 200; it says why.
            ServiceUnreachable: the service does not answer; :class:`AnswerTimedOut` if not in time.
            InputUnusable: the input cannot be sent.
        """
        return self.send(data, files=files, fields=fields).answer()

    def predict_many(
        self,
        items: Iterable[Any],
        concurrency: int = 8,
        on_progress: Callable[[int, int], None] | None = None,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
    ) -> Iterator[Any]:
        """Ask for a prediction for each item, several at a time; results come in the order of the items.

        ``items`` is read only a little ahead of the results, so it may be endless. Each of ``concurrency`` threads
        keeps a connection of its own. Closing the iterator gives up what is on its way.

        Args:
            items: JSON values or :class:`Form` objects, as :meth:`predict` takes them.
            concurrency: how many requests the service gets at once.
            on_progress: called before each result with the number of results so far and of failures among them.
            patience_seconds: for how long an item is sent again while the service refuses with 503 (``Retry-After`` is
                heeded) or cannot be reached. When the service has been away for that long, further items fail at once
                until it answers again. A request without an answer in time is not sent again.

        Yields:
            The answer as parsed from JSON; or, of an item that failed, the error that :meth:`predict` would have
            raised, which is always a :class:`ModelServiceError`.

        Raises:
            ValueError: ``concurrency`` is less than 1.
        """
        crew = Crew(self._another, concurrency, patience_seconds)
        return crew.run(items, on_progress or (lambda done, failed: None))

    def send(
        self, data: Any = _NOTHING, *, files: Files | None = None, fields: Mapping[str, str] | None = None
    ) -> Reply:
        """Send what :meth:`predict` takes and return the reply as it is, whatever its status.

        Raises:
            ServiceUnreachable: the service does not answer; :class:`AnswerTimedOut` if not in time.
            InputUnusable: the input cannot be sent.
        """
        if (data is _NOTHING) == (files is None and fields is None):
            raise TypeError("give either data, or files and fields")
        return self.post(*encode(Form(files or {}, fields or {}) if data is _NOTHING else data))

    def post(self, body: bytes, content_type: str) -> Reply:
        """Send a body as it is.

        Raises:
            ServiceUnreachable: the service does not answer; :class:`AnswerTimedOut` if not in time.
        """
        return self._send("POST", self._path, body, {"Content-Type": content_type})

    def get(self, path: str) -> Reply:
        """Get a path of the same service, for example ``/ready``.

        Raises:
            ServiceUnreachable: no answer.
        """
        return self._send("GET", path, None, {})

    def abort(self) -> None:
        """Make the request that another thread is waiting for fail at once, and all later ones."""
        self._is_aborted = True
        sock = self._connection.sock
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # TLS' own would wait for the other side

    def _another(self) -> Client:
        return Client(self._url, self._token, self._timeout_seconds)

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        was_open = self._connection.sock is not None
        try:
            try:
                return self._exchange(method, path, body, headers)
            except (http.client.RemoteDisconnected, ConnectionResetError):
                if not was_open or self._is_aborted:
                    raise
            # A kept connection may have been closed while it was idle, which is noticed only now.
            self._connection.close()
            return self._exchange(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            is_sent = self._connection.sock is not None
            self._connection.close()  # the next request opens it anew
            if isinstance(error, TimeoutError) and is_sent:
                told = f"{self._url}: timed out: no answer for {self._timeout_seconds:g} s"
                raise AnswerTimedOut(told) from error
            raise ServiceUnreachable(f"{self._url}: {type(error).__name__}: {error}") from error

    def _exchange(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        if self._connection.sock is None:
            self._connection.connect()
        if self._is_aborted:  # looked at now that there is a socket: who aborts either finds it or is seen here
            raise ConnectionAbortedError("given up")
        is_whole = self._request(method, path, body, {**self._headers, **headers})
        response = self._connection.getresponse()
        content = response.read()
        if not is_whole:
            self._connection.close()
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content)

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bool:
        """Send a request; False when the server stopped reading, as it does with a body that is too large."""
        try:
            self._connection.request(method, path, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            return False  # its answer may be there all the same
        return True
