"""Request schemas that no request can meet: what they ask for cannot be sent, or contradicts itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft7Validator

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.json_text import JsonText
from model_service.package.config import PackageConfig
from model_service.package.schema import FILE_TYPE, child_pointer

_JSON_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_NOT_IN_FORMS = frozenset({"object", "array", "null"})
# Beside these a schema is not followed.
_UNCLEAR = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if"})
_LIMITS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_MAX_DEPTH = 64

Reason = tuple[str, str]  # pointer, message


def check_request_can_be_made(text: JsonText, config: PackageConfig) -> Iterator[Finding]:
    """Yield why no request passes the check, where requests are checked and the reason is certain."""
    if len(config.apis) != 1 or config.apis[0].request_schema is None:
        return
    if config.validation.get("request", "strict") not in ("strict", "coerce"):
        return
    pointer, schema = _request_schema(text.value)
    reason = _why_not(schema, pointer, 0)
    if reason is not None:
        yield finding("no-request-fits", text.place(reason[0]), reason[1])


def _request_schema(content: Any) -> tuple[str, object]:
    """The schema and its pointer, in a config.json that has one API and declares its request."""
    if len(content["apis"]) != 1:
        return "", None
    side, pointer = content["apis"][0]["request"], "/apis/0/request"
    return (f"{pointer}/data", side["data"]) if "data" in side else (pointer, side)


def _why_not(schema: object, pointer: str, depth: int, is_field: bool = False) -> Reason | None:
    """Why no value can be sent that meets a schema; None: nothing is certain.

    At ``depth`` 0 it is the schema of the whole request; ``is_field``: of a property of that, which a form may bring.
    """
    if not isinstance(schema, dict) or depth > _MAX_DEPTH or _UNCLEAR & set(schema):
        return None
    kind = _type(schema)
    if kind == FILE_TYPE and not is_field:
        return child_pointer(pointer, "type"), "only a property of the request itself can be a file: a field of a form"
    if kind == "null" and depth == 0:
        return child_pointer(pointer, "type"), "a request that is null is taken for none"
    return _wrong_enum(schema, pointer) or (
        _why_no_object(schema, pointer, depth)
        if kind == "object"
        else _why_no_array(schema, pointer, depth)
        if kind == "array"
        else None
    )


def _wrong_enum(schema: Mapping[str, Any], pointer: str) -> Reason | None:
    """Values of which none has the type, or keeps the limits, that stand beside them."""
    kind, values = _type(schema), schema.get("enum")
    if kind not in _JSON_TYPES or not isinstance(values, list) or not values:
        return None
    limits = Draft7Validator({"type": kind, **{key: schema[key] for key in _LIMITS if key in schema}})
    if any(limits.is_valid(value) for value in values):
        return None
    return child_pointer(pointer, "enum"), f"none of the values is {kind} within the limits beside them"


def _why_no_object(schema: Mapping[str, Any], pointer: str, depth: int) -> Reason | None:
    required, properties = schema.get("required", []), schema.get("properties", {})
    most = schema.get("maxProperties")
    if isinstance(most, int) and len(set(required)) > most:
        return child_pointer(pointer, "maxProperties"), f"is {most}, but {len(set(required))} properties are required"
    declared = {name: properties[name] for name in required if name in properties}
    for name, each in declared.items():
        reason = _why_not(each, _property(pointer, name), depth + 1, is_field=depth == 0)
        if reason is not None:
            return reason
    return _why_no_form(declared, pointer) if depth == 0 else None


def _why_no_form(required: Mapping[str, Any], pointer: str) -> Reason | None:
    """Beside files a form holds texts only."""
    types = {name: _type(each) for name, each in required.items() if isinstance(each, dict)}
    file = next((name for name, kind in types.items() if kind == FILE_TYPE), None)
    other = next((name for name, kind in types.items() if kind in _NOT_IN_FORMS), None)
    if file is None or other is None:
        return None
    message = f"beside the file {file!r} only texts, numbers and booleans can be sent, but {other!r} is {types[other]}"
    return child_pointer(_property(pointer, other), "type"), message


def _why_no_array(schema: Mapping[str, Any], pointer: str, depth: int) -> Reason | None:
    items, least = schema.get("items"), schema.get("minItems", 0)
    if isinstance(items, list):
        parts = list(enumerate(items))[:least]
        reasons = (_why_not(each, f"{pointer}/items/{index}", depth + 1) for index, each in parts)
        return next((reason for reason in reasons if reason is not None), None)
    return _why_not(items, child_pointer(pointer, "items"), depth + 1) if least >= 1 else None


def _type(schema: Mapping[str, Any]) -> str:
    """The only type that a schema names, or ""."""
    kind = schema.get("type")
    return kind if isinstance(kind, str) else ""


def _property(pointer: str, name: str) -> str:
    return child_pointer(child_pointer(pointer, "properties"), name)
