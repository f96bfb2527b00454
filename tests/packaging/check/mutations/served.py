"""What the real server does with a package: it is started, and asked what its own request schema invites.

The requests are made here, and not by the check, whose verdict is compared with the answers. What a mutated schema no
longer tells is sent as the good package has it.
"""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageDraw
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from model_service.client.local import ServiceNotStarted, serve_package

from .config_mutations import PATTERN_TEXT
from .mutation import CONFIG

_VIOLATION_HEADER = "X-Contract-Violation"
_TEXT = "one two three "
_DEADLINE_SECONDS = 30.0
_TYPE_BY_KEYWORD = {"properties": "object", "items": "array", "minimum": "number"}  # for want of a "type"


def what_callers_meet(package: Path, good_package: Path, backend: str) -> str:
    """Serve a package and send it requests; "" if all are answered as the contract says, else what is wrong.

    Args:
        package: the folder that holds ``model/``.
        good_package: whose request schema counts if the package declares none.
        backend: as ``serve`` takes it.
    """
    known = _request_schema(good_package)
    schema = _filled(_request_schema(package) or known, known)
    try:
        with serve_package(package, "--backend", backend, timeout_seconds=_DEADLINE_SECONDS) as service:
            for body, content_type in _requests(schema):
                problem = _problem(service.url, body, content_type)
                if problem:
                    return problem
    except ServiceNotStarted as error:
        return f"does not start: {str(error).splitlines()[-1]}"
    return ""


def _request_schema(package: Path) -> Any:
    try:
        return json.loads((package / "model" / CONFIG).read_bytes())["apis"][0]["request"]["data"]
    except (ValueError, LookupError, TypeError):
        return None


def _filled(schema: Any, known: Any) -> Any:
    """A schema with the types that it leaves open as they were known before it was mutated."""
    if not isinstance(schema, dict) or not isinstance(known, dict):
        return schema
    filled = {**schema}
    if "type" not in schema and "type" in known:
        filled["type"] = known["type"]
    before, now = known.get("properties", {}), schema.get("properties", {})
    names = [*now, *(name for name in schema.get("required", []) if name in before and name not in now)]
    if names:
        filled["properties"] = {name: _filled(now.get(name, before.get(name)), before.get(name)) for name in names}
    if isinstance(known.get("items"), dict):
        filled["items"] = _filled(schema.get("items", known["items"]), known["items"])
    return filled


def _problem(url: str, body: bytes, content_type: str) -> str:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_DEADLINE_SECONDS)
    try:
        connection.request("POST", "/", body, {"Content-Type": content_type})
        response = connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            return f"{response.status} {content[:300].decode('utf-8', 'replace')}"
        if response.headers.get(_VIOLATION_HEADER):
            return f"200, but breaks the contract: {response.headers[_VIOLATION_HEADER]}"
        json.loads(content, parse_constant=_refuse)
    except ValueError as error:
        return f"200, but no JSON: {error}"
    except OSError as error:
        return f"no answer: {error}"
    finally:
        connection.close()
    return ""


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}")


def _requests(schema: dict[str, Any]) -> Iterator[tuple[bytes, str]]:
    """Two requests as the schema declares them: forms with a picture in each file field, else JSON."""
    properties = schema.get("properties", {}) if schema.get("type", "object") == "object" else {}
    files = [name for name, each in properties.items() if each.get("type") == "file"]
    for number in (0, 1):
        if files or schema.get("type") == "file":
            form: dict[str, Any] = {name: _picture(number) for name in files or ["file"]}
            form |= {name: _form_text(_value(each, number)) for name, each in properties.items() if name not in files}
            boundary, content = encode_multipart(form)
            yield content, f"multipart/form-data; boundary={boundary}"
        else:
            yield json.dumps(_value(schema, number)).encode(), "application/json"


def _form_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _picture(number: int) -> FileStorage:
    """A digit-like stroke: a grey PNG of 28x28, or a photograph-like JPEG."""
    mode, size, kind = (("L", (28, 28), "png"), ("RGB", (90, 120), "jpeg"))[number]
    picture = Image.new(mode, size, 0)
    width, height = size
    ImageDraw.Draw(picture).line((width // 2, height // 5, width // 2 + number, height * 4 // 5), "white", width // 8)
    content = io.BytesIO()
    picture.save(content, kind)
    content.seek(0)
    return FileStorage(content, f"picture.{kind}", content_type=f"image/{kind}")


def _value(schema: Any, number: int) -> Any:
    """A plain value of a schema as simple as those of the packages that are mutated."""
    schema = schema if isinstance(schema, dict) else {}
    if schema.get("enum"):
        return schema["enum"][number % len(schema["enum"])]
    kind = schema.get("type") or next((kind for key, kind in _TYPE_BY_KEYWORD.items() if key in schema), "string")
    if kind == "object":
        return _object(schema, number)
    if kind == "array":
        items = schema.get("items")
        if isinstance(items, list):
            return [_value(each, number) for each in items]
        count = max(schema.get("minItems", 0), min(number + 1, schema.get("maxItems", 2)))
        return [_value(items, number)] * count
    if kind in ("number", "integer"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 100)
        return int(min(max(3 + number, low), high))
    if kind in ("boolean", "null"):
        return kind == "boolean" or None
    if "pattern" in schema:  # only one is ever written into a schema here
        return PATTERN_TEXT
    text = _TEXT * (schema.get("minLength", 0) // len(_TEXT) + 1)
    return text[: schema.get("maxLength", len(text))]


def _object(schema: dict[str, Any], number: int) -> dict[str, Any]:
    """What is required first, then what is declared, then more if there must be more."""
    properties = schema.get("properties", {})
    more = [f"more_{index}" for index in range(schema.get("minProperties", 0) - len(properties))]
    names = list(dict.fromkeys([*schema.get("required", []), *properties, *more]))
    return {name: _value(properties.get(name), number) for name in names[: schema.get("maxProperties")]}
