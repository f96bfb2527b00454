"""Requests as the check makes them: a JSON value, or the parts of a form."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from model_service.inference.images import refuse_bomb
from model_service.inference.pipeline import RequestData


@dataclass(frozen=True)
class FormPart:
    """One part of a form.

    Attributes:
        content: of a file; or the text of a text field, in UTF-8.
        file_name: None: a text field.
    """

    field: str
    content: bytes
    file_name: str | None = None


@dataclass(frozen=True)
class Body:
    """What a request brings: either parts, or else ``value`` as JSON."""

    value: Any = None
    parts: tuple[FormPart, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The body for the way to another process, and into files."""
        if not self.parts:
            return {"json": self.value}
        return {"form": [_part_as_json(part) for part in self.parts]}


def _part_as_json(part: FormPart) -> dict[str, str]:
    if part.file_name is None:
        return {"field": part.field, "text": part.content.decode("utf-8", "replace")}
    return {
        "field": part.field,
        "file_name": part.file_name,
        "base64": base64.b64encode(part.content).decode("ascii"),
    }


def request_data(content: Mapping[str, Any], max_image_pixels: int) -> RequestData:
    """Make of a body's JSON what hooks get, as the HTTP side does.

    Raises:
        BadRequest: an image bomb.
    """
    if "json" in content:
        return RequestData(content["json"])
    return _form_data(content["form"], max_image_pixels)


def _form_data(parts: Sequence[Mapping[str, str]], max_image_pixels: int) -> RequestData:
    texts: dict[str, str] = {}
    files: dict[str, dict[str, BytesIO]] = {}
    for part in parts:
        if "text" in part:
            texts.setdefault(part["field"], part["text"])
            continue
        payload = base64.b64decode(part["base64"])
        refuse_bomb(payload, part["file_name"], max_image_pixels)
        files.setdefault(part["field"], {})[part["file_name"]] = BytesIO(payload)
    return RequestData({**texts, **files}, frozenset(texts.keys() - files.keys()))
