"""From the body of a request to the one ``data`` that hooks get (the original runtime's rules, item by item).

JSON first, then forms, else an error; query arguments are merged last. JSON and form are never mixed.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from model_service.errors import BadRequest
from model_service.inference.images import refuse_bomb
from model_service.inference.pipeline import RequestData

_JSON_MIMETYPE = re.compile(r"application/(json|[^\s/;]+\+json)")
_EXTENDED_FILENAME = re.compile(r""";\s*filename\*\s*=\s*"?([\w.:-]+)'[^';]*'([^;\s"]*)""", re.IGNORECASE)
_MAX_FIELDS = 1000
# Python's names for codecs that are no character sets; they raise or warn whatever they are told.
_NO_CHARSETS = frozenset(["undefined", "idna", "punycode", "unicode-escape", "raw-unicode-escape"])


@dataclass(frozen=True)
class Body:
    """One request as it came off the socket: body, Content-Type header, raw query string."""

    content: bytes
    content_type: str
    query: str


def parse_request(body: Body, max_image_pixels: int) -> RequestData:
    """Turn a request into what hooks get.

    Raises:
        BadRequest: malformed, too many fields, an image bomb, or nothing a hook could use.
    """
    mimetype, options = parse_options_header(body.content_type or "")
    mimetype = mimetype.lower()
    query = _pairs(body.query, "query string") if body.query else []
    if _JSON_MIMETYPE.fullmatch(mimetype):
        value = _parse_json(body.content)
        return _merged(value, frozenset(), query) if _is_usable(value) else _nothing(mimetype)
    if mimetype == "multipart/form-data":
        fields, text_fields = _parse_multipart(body.content, options.get("boundary", ""), max_image_pixels)
    elif mimetype == "application/x-www-form-urlencoded":
        fields = _first_of_each(_pairs(_decoded(body.content), "form"))
        text_fields = set(fields)
    else:
        return _nothing(mimetype)
    return _merged(fields, frozenset(text_fields), query) if fields else _nothing(mimetype)


def _is_usable(value: object) -> bool:
    """The original took a falsy JSON body for none; 0 and "" are falsy."""
    return bool(value)


def _nothing(mimetype: str) -> RequestData:
    sent = f"sent as {mimetype}" if mimetype else "without a Content-Type"
    raise BadRequest(
        f"no usable input ({sent}): send multipart/form-data with files or fields, or a non-empty application/json body"
    )


def _parse_json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except json.JSONDecodeError as error:
        raise BadRequest(f"malformed JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError as error:
        raise BadRequest("malformed JSON: it nests too deeply") from error
    except ValueError as error:  # not UTF-8, or a number with thousands of digits
        raise BadRequest(f"malformed JSON: {error}") from error


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _pairs(text: str, what: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise BadRequest(f"malformed {what}: {error}") from error


def _first_of_each(pairs: list[tuple[str, str]]) -> dict[str, str]:
    first: dict[str, str] = {}
    for name, text in pairs:
        first.setdefault(name, text)
    return first


def _merged(value: Any, text_fields: frozenset[str], query: list[tuple[str, str]]) -> RequestData:
    if not query:
        return RequestData(value, text_fields)
    if not isinstance(value, dict):
        raise BadRequest("query arguments can only be added to a JSON object, and the body is none")
    arguments = _first_of_each(query)
    return RequestData({**value, **arguments}, text_fields | arguments.keys())


def _parse_multipart(content: bytes, boundary: str, max_image_pixels: int) -> tuple[dict[str, Any], set[str]]:
    texts: dict[str, str] = {}
    files: dict[str, dict[str, BytesIO]] = {}
    try:
        for segment, payload in _segments(content, boundary):
            name = segment.name or ""
            filename = _filename(segment)
            if filename is None:
                texts.setdefault(name, _decode_text(payload, segment.charset))
            else:
                refuse_bomb(payload, filename, max_image_pixels)
                files.setdefault(name, {})[_last_component(filename)] = BytesIO(payload)
    except MultipartError as error:
        raise BadRequest(f"malformed multipart body: {error}") from error
    text_fields = texts.keys() - files.keys()
    return {**texts, **files}, text_fields


def _filename(segment: MultipartSegment) -> str | None:
    """The file name of a part, also in the spelling ``filename*=UTF-8''%E5%AD%97.png``; None: it is no file."""
    if segment.filename is not None:
        return str(segment.filename)
    for header, value in segment.headerlist:
        if header == "Content-Disposition" and (match := _EXTENDED_FILENAME.search(value)):
            return _decode_text(unquote_to_bytes(match[2]), match[1])
    return None


def _segments(content: bytes, boundary: str) -> list[tuple[MultipartSegment, bytes]]:
    """Split a whole body into its parts; the payloads are copied once."""
    found = []
    segment: MultipartSegment | None = None
    chunks: list[bytes] = []
    with PushMultipartParser(boundary, max_segment_count=_MAX_FIELDS) as parser:
        for event in parser.parse(content):
            if isinstance(event, MultipartSegment):
                segment, chunks = event, []
            elif event is None:
                if segment is not None:
                    found.append((segment, chunks[0] if len(chunks) == 1 else b"".join(chunks)))
            else:
                chunks.append(bytes(event))
    return found


def _decode_text(payload: bytes, charset: str | None) -> str:
    try:
        codec_name = codecs.lookup(charset or "utf-8").name
        return _decoded(payload) if codec_name in _NO_CHARSETS else payload.decode(codec_name, "replace")
    except (LookupError, ValueError):
        return _decoded(payload)


def _last_component(filename: str) -> str:
    """Client file names lose their folders: some browsers sent whole paths, and hooks join names to folders."""
    return re.split(r"[/\\]", filename)[-1]
