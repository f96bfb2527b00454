"""A client of one running service."""

from __future__ import annotations

import http.client
import json
import mimetypes
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from model_service.errors import ModelServiceError


class ServiceUnreachable(ModelServiceError):
    """The service does not answer."""


@dataclass(frozen=True)
class Reply:
    """What the service answered.

    Attributes:
        status: HTTP status.
        headers: lower-case names.
        body: the raw body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body.

        Raises:
            json.JSONDecodeError: it is no JSON.
        """
        return json.loads(self.body)


class Client:
    """Talks to the service at ``url`` over one kept connection. Not safe to share between threads.

    Args:
        url: ``http://host:port/path`` or ``https://...``; requests go to its path.
        token: sent as ``X-Auth-Token``.
        timeout_seconds: for connecting and for each answer.
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
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"X-Auth-Token": token} if token else {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str) -> Reply:
        """Get a path of the same service, for example ``/ready``.

        Raises:
            ServiceUnreachable: no answer.
        """
        return self._send("GET", path, None, {})

    def predict_json(self, value: Any) -> Reply:
        """Post a JSON value.

        Raises:
            ServiceUnreachable: no answer.
        """
        return self._send("POST", self._path, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def predict_files(self, files: Sequence[tuple[str, str, bytes]], fields: Mapping[str, str] | None = None) -> Reply:
        """Post a form.

        Args:
            files: (field name, file name, content) each.
            fields: text fields by name.

        Raises:
            ServiceUnreachable: no answer.
        """
        body, content_type = encode_form(files, fields or {})
        return self._send("POST", self._path, body, {"Content-Type": content_type})

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        try:
            is_whole = self._request(method, path, body, {**self._headers, **headers})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens it anew
            raise ServiceUnreachable(f"{self._url}: {type(error).__name__}: {error}") from error
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


def encode_form(files: Sequence[tuple[str, str, bytes]], fields: Mapping[str, str]) -> tuple[bytes, str]:
    """Encode a multipart/form-data body; return it with its Content-Type."""
    boundary = secrets.token_hex(16)
    parts = []
    for name, text in fields.items():
        parts.append(_part(boundary, f'name="{_quoted(name)}"', "text/plain; charset=utf-8", text.encode()))
    for field, file_name, content in files:
        kind = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
        parts.append(_part(boundary, f'name="{_quoted(field)}"; filename="{_quoted(file_name)}"', kind, content))
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, disposition: str, content_type: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def read_upload(path: Path, field: str) -> tuple[str, str, bytes]:
    """Read a file for :meth:`Client.predict_files`.

    Raises:
        ModelServiceError: it cannot be read.
    """
    try:
        return field, path.name, path.read_bytes()
    except OSError as error:
        raise ModelServiceError(f"{path}: cannot be read: {error.strerror}") from error
