"""Request schemas that no request can meet, and some that look like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_packaging.check.package_check import CheckOptions, check_package

FILE, TEXTS = {"type": "file"}, {"type": "array", "items": {"type": "string"}}


def schema(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


IMPOSSIBLE = {
    "/type": {"type": "null"},
    "/properties/x/items/type": schema(["x"], x={"type": "array", "minItems": 1, "items": FILE}),
    "/properties/x/items/1/type": schema(["x"], x={"type": "array", "minItems": 2, "items": [TEXTS, FILE]}),
    "/properties/x/properties/y/type": schema(["x"], x=schema(["y"], y=FILE)),
    "/properties/y/type": schema(["x", "y"], x=FILE, y=TEXTS),
    "/properties/x/enum": schema(["x"], x={"type": "number", "enum": ["en", "de"]}),
    "/properties/x/maxProperties": schema(["x"], x={**schema(["y"], y=TEXTS), "maxProperties": 0}),
}
POSSIBLE = {
    "nested file that may be left out": schema([], x=schema(["y"], y=FILE)),
    "no files at all": schema(["x"], x={"type": "array", "items": FILE}),
    "fewer items": schema(["x"], x={"type": "array", "minItems": 1, "items": [TEXTS, FILE]}),
    "array beside a file that may be left out": schema(["y"], x=FILE, y=TEXTS),
    "number beside a file": schema(["x", "y"], x=FILE, y={"type": "number"}),
    "several types": schema(["x", "y"], x=FILE, y={"type": ["array", "string"]}),
    "one value that fits": schema(["x"], x={"type": "string", "maxLength": 2, "enum": ["long", "de"]}),
    "alternatives": schema(["x"], x={"anyOf": [TEXTS, FILE], "type": "array"}),
    "not an object": {"required": ["x"], "properties": {"x": {"type": "array", "minItems": 1, "items": FILE}}},
}


def findings(folder: Path, request: dict[str, Any], mode: str = "strict") -> list[str]:
    config = {
        "model_algorithm": "test",
        "model_type": "TensorFlow",
        "apis": [{"url": "/", "method": "post", "request": {"data": request}}],
        "validation": {"request": mode},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "customize_service.py").write_text(
        "from model_service.tfserving_model_service import TfServingBaseService\n\n\n"
        "class Service(TfServingBaseService):\n    def _inference(self, data):\n        return data\n"
    )
    report = check_package(CheckOptions(folder, runs_package=False))
    return [f"{each.code} {each.place.pointer}" for each in report.findings if each.code == "no-request-fits"]


@pytest.mark.parametrize("pointer", IMPOSSIBLE)
def test_it_is_found_where_it_is(tmp_path: Path, pointer: str) -> None:
    assert findings(tmp_path, IMPOSSIBLE[pointer]) == [f"no-request-fits /apis/0/request/data{pointer}"]


@pytest.mark.parametrize("name", POSSIBLE)
def test_it_is_not_found_where_a_request_can_be_made(tmp_path: Path, name: str) -> None:
    assert findings(tmp_path, POSSIBLE[name]) == []


def test_nothing_is_said_where_requests_are_not_held_to_the_schema(tmp_path: Path) -> None:
    assert findings(tmp_path, IMPOSSIBLE["/type"], "warn") == []
