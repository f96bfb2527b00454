"""What is sent to a service: a JSON value, or a form with files."""

from __future__ import annotations

import io
import json
import mimetypes
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, TypeGuard

from model_service.errors import ModelServiceError

if TYPE_CHECKING:
    from PIL.Image import Image

_JSON = "application/json"

# Quoted: Pillow is imported only for those who send its images.
Content: TypeAlias = "bytes | bytearray | memoryview | IO[bytes] | Image"
"""Bytes, a binary file object (read to its end), or a Pillow image (sent as PNG)."""

Upload: TypeAlias = "str | os.PathLike[str] | Content | tuple[str, Content]"
"""A file to send: a path, its content, or a pair of file name and content."""

Files: TypeAlias = "Mapping[str, Upload | list[Upload]]"
"""Uploads by form field; a list sends several files in one field."""


class InputUnusable(ModelServiceError):
    """What should be sent cannot be: a file cannot be read, a value is no JSON."""


@dataclass(frozen=True)
class Form:
    """A form: one item for ``predict_many``.

    Attributes:
        files: uploads by field; see :data:`Upload`.
        fields: texts by field.
    """

    files: Files = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


def encode(data: object) -> tuple[bytes, str]:
    """Encode a :class:`Form`, or any other value as JSON; return the body and its Content-Type.

    NumPy arrays and numbers within a JSON value are sent as lists and numbers.

    Raises:
        InputUnusable: a file cannot be read, or a value is no JSON.
    """
    if not isinstance(data, Form):
        try:
            return json.dumps(data, default=_plain).encode(), _JSON
        except (TypeError, ValueError, RecursionError) as error:
            raise InputUnusable(f"the input is no JSON value: {error}. Send files as files={{field: file}}") from error
    files = []
    for name, uploads in data.files.items():
        files += _named(name, uploads if isinstance(uploads, list) else [uploads])
    for name, text in data.fields.items():
        if not isinstance(text, str):
            raise InputUnusable(f"the field {name!r} is a {type(text).__name__}; fields of a form are texts")
    return encode_form(files, data.fields)


def _plain(value: Any) -> Any:
    """Turn what NumPy made into what JSON knows."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    raise TypeError(f"it holds a {type(value).__name__}")


def _named(name: str, uploads: Sequence[Upload]) -> list[tuple[str, str, bytes]]:
    """Read the uploads of a field as (field, file name, content); the service knows them by name, so names differ."""
    files: list[tuple[str, str, bytes]] = []
    taken: set[str] = set()
    for number, upload in enumerate(uploads, 1):
        file_name, content = _read(upload, number)
        if file_name in taken:
            file_name = f"{number}-{file_name}"
        taken.add(file_name)
        files.append((name, file_name, content))
    return files


def _read(upload: Upload, number: int) -> tuple[str, bytes]:
    """Return a file name, made from ``number`` if there is none, and the content."""
    if isinstance(upload, str | os.PathLike):
        path = Path(upload)
        try:
            return path.name, path.read_bytes()
        except OSError as error:
            raise InputUnusable(f"{path}: cannot be read: {error.strerror}") from error
    if isinstance(upload, tuple):
        return _read_named(upload, number)
    if isinstance(upload, bytes | bytearray | memoryview):
        return str(number), bytes(upload)
    if _is_open(upload):
        return _read_open(upload, number)
    return f"{number}.png", _png(upload)


def _read_named(upload: tuple[str, Content], number: int) -> tuple[str, bytes]:
    if len(upload) != 2 or not isinstance(upload[0], str) or isinstance(upload[1], str | os.PathLike):
        raise InputUnusable("a tuple is a pair of file name and content; several files of a field are given as a list")
    return upload[0], _read(upload[1], number)[1]


def _is_open(upload: object) -> TypeGuard[IO[bytes]]:
    return hasattr(upload, "read")


def _read_open(file: IO[bytes], number: int) -> tuple[str, bytes]:
    name = getattr(file, "name", None)  # a number for a file made from a descriptor
    file_name = Path(name).name if isinstance(name, str) else str(number)
    try:
        content = file.read()
    except (OSError, ValueError) as error:
        raise InputUnusable(f"the file object {file_name!r} cannot be read: {error}") from error
    if not isinstance(content, bytes):
        raise InputUnusable(f"the file object {file_name!r} is open for text; open it with mode 'rb'")
    return file_name, content


def _png(image: object) -> bytes:
    from PIL import Image as pillow  # here: most callers send files

    if not isinstance(image, pillow.Image):
        raise InputUnusable(
            f"a {type(image).__name__} cannot be sent as a file; send a path, bytes, a binary file object, "
            "a Pillow image or a pair of file name and content"
        )
    buffer = io.BytesIO()
    try:
        image.save(buffer, "PNG")
    except (OSError, ValueError) as error:
        raise InputUnusable(
            f"an image of mode {image.mode} cannot be sent as PNG: {error}. Convert it first"
        ) from error
    return buffer.getvalue()


def encode_form(files: Sequence[tuple[str, str, bytes]], fields: Mapping[str, str]) -> tuple[bytes, str]:
    """Encode a multipart/form-data body; return it with its Content-Type.

    Args:
        files: (field, file name, content) each.
        fields: texts by field.
    """
    boundary = secrets.token_hex(16)
    parts = []
    for name, text in fields.items():
        parts.append(_part(boundary, f'name="{_quoted(name)}"', "text/plain; charset=utf-8", text.encode()))
    for name, file_name, content in files:
        kind = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
        parts.append(_part(boundary, f'name="{_quoted(name)}"; filename="{_quoted(file_name)}"', kind, content))
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, disposition: str, content_type: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
