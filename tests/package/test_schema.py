"""The schema dialect means what its authors mean by it, said in Draft 7."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft7Validator

from model_service.package.schema import (
    FILE_MARKER,
    DialectError,
    child_pointer,
    to_draft7,
)


def accepts(schema: object, value: object) -> bool:
    return Draft7Validator(to_draft7(schema)).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "translated"),
    [
        ({}, {}),
        ({"type": "string"}, {"type": "string"}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "file"}, {"const": FILE_MARKER}),
        ({"type": ["file"]}, {"const": FILE_MARKER}),
        ({"type": ["file", "string"]}, {"anyOf": [{"const": FILE_MARKER}, {"type": ["string"]}]}),
        ({"items": {"type": "number"}}, {"items": {"type": "number"}}),
        ({"items": [{"type": "number"}]}, {"items": {"type": "number"}}),
        ({"items": [{"type": "string"}, {"type": "number"}]}, {"items": [{"type": "string"}, {"type": "number"}]}),
        ({"items": []}, {}),
        ({"item": [{"type": "number"}]}, {}),
        ({"index": 0, "format": "date", "$schema": "x", "id": "y", "readOnly": True}, {}),
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"exclusiveMaximum": True, "maximum": 5}, {"exclusiveMaximum": 5}),
        ({"minimum": 0, "exclusiveMinimum": False}, {"minimum": 0}),
        ({"exclusiveMinimum": True}, {}),
        ({"exclusiveMinimum": 1}, {"exclusiveMinimum": 1}),
        ({"additionalProperties": False}, {"additionalProperties": False}),
        ({"additionalProperties": {"type": "file"}}, {"additionalProperties": {"const": FILE_MARKER}}),
        ({"properties": {}, "required": []}, {"properties": {}, "required": []}),
        ({"properties": {"type": {"type": "string"}}}, {"properties": {"type": {"type": "string"}}}),
        ({"properties": {"$ref": {"type": "string"}}}, {"properties": {"$ref": {"type": "string"}}}),
        ({"anyOf": [{"type": "file"}, {}]}, {"anyOf": [{"const": FILE_MARKER}, {}]}),
        ({"enum": [{"type": "file"}]}, {"enum": [{"type": "file"}]}),
        (
            {"definitions": {"a": {"type": "file"}}, "$ref": "#/definitions/a"},
            {"definitions": {"a": {"const": FILE_MARKER}}, "$ref": "#/definitions/a"},
        ),
    ],
    ids=repr,
)
def test_translation(schema: object, translated: dict[str, Any]) -> None:
    assert to_draft7(schema) == translated


def test_what_is_translated_is_left_as_it_was() -> None:
    schema = {"minimum": 0, "exclusiveMinimum": True, "items": [{"type": "file"}]}
    to_draft7(schema)
    assert schema == {"minimum": 0, "exclusiveMinimum": True, "items": [{"type": "file"}]}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"items": [{"type": "number"}], "type": "array"}, [[], [1], [1, 2.5]], [["1"], [1, "2"], {}]),
        (
            {"items": [{"type": "string"}, {"type": "number"}], "minItems": 2, "maxItems": 2},
            [["a", 1]],
            [[1, "a"], ["a"], ["a", 1, 2]],
        ),
        ({"type": "integer"}, [1, 1.0, -5], [1.5, "1", True]),
        ({"type": "number"}, [1, 1.5], ["1", False, None]),
        ({"type": "boolean"}, [True, False], [0, 1, "true"]),
        ({"maximum": 5, "exclusiveMaximum": True}, [4.9, "text"], [5, 6]),
        ({"required": ["a"], "properties": {"a": {}}}, [{"a": None}], [{}, {"b": 1}]),
        ({"type": "file"}, [FILE_MARKER], ["a", "", None, {}, "file:"]),
        (
            {
                "definitions": {"box": {"type": "array", "items": [{"type": "number"}], "minItems": 4}},
                "items": {"$ref": "#/definitions/box"},
            },
            [[[1, 2, 3, 4]]],
            [[[1, 2, 3]]],
        ),
        (
            {"properties": {"child": {"$ref": "#"}}, "required": ["id"]},
            [{"id": 1, "child": {"id": 2}}],
            [{"id": 1, "child": {}}],
        ),
    ],
    ids=lambda part: repr(part)[:50],
)
def test_meaning(schema: object, good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not accepts(schema, value)] == []
    assert [value for value in bad if accepts(schema, value)] == []


def test_no_request_can_contain_a_file_marker() -> None:
    """It is random text, or no JSON at all."""
    assert not isinstance(FILE_MARKER, str) or len(FILE_MARKER) >= 32
    assert not accepts({"type": "file"}, "file")
    assert not accepts({"type": "file"}, str(FILE_MARKER)[:-1])


@pytest.mark.parametrize(
    "reference",
    ["#/definitions/b", "other.json", "http://127.0.0.1/schema", "#/properties/x", "file:///etc/passwd", "#b"],
)
def test_references_stay_inside_and_lead_somewhere(reference: str) -> None:
    with pytest.raises(DialectError, match="leads nowhere"):
        to_draft7({"definitions": {"a": {}}, "properties": {"x": {"$ref": reference}}})


@pytest.mark.parametrize(
    "schema",
    [
        {"definitions": {"a": {"$ref": "#/definitions/a"}}, "$ref": "#/definitions/a"},
        {"$ref": "#"},
        {
            "definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"$ref": "#/definitions/a"}},
            "$ref": "#/definitions/a",
        },
        {"allOf": [{"$ref": "#"}]},
    ],
    ids=repr,
)
def test_references_that_lead_back_to_themselves_are_refused(schema: object) -> None:
    """They would never come to an end, whatever the value."""
    with pytest.raises(DialectError):
        to_draft7(schema)


@pytest.mark.parametrize("schema", [None, "string", 3, [], True], ids=repr)
def test_a_schema_is_an_object(schema: object) -> None:
    with pytest.raises(DialectError, match=r"^/here: a schema must be an object"):
        to_draft7(schema, "/here")


@pytest.mark.parametrize(
    ("step", "pointer"),
    [("a", "/a"), (0, "/0"), ("a/b", "/a~1b"), ("a~b", "/a~0b"), ("~1", "/~01"), ("", "/")],
)
def test_pointers_are_escaped(step: str | int, pointer: str) -> None:
    assert child_pointer("", step) == pointer
