"""The schemas of config.json: keywords that say nothing, and demands that no value meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.reading.json_text import JsonText
from model_packaging.check.reading.near import did_you_mean
from model_service.package.config import PackageConfig
from model_service.package.layout import CONFIG_NAME
from model_service.package.schema import FILE_TYPE, child_pointer

# Written by accident -> what Draft 4 calls it. The runtime passes over the first.
_MISSPELT = {
    "item": "items",
    "property": "properties",
    "propertys": "properties",
    "require": "required",
    "requires": "required",
    "minItem": "minItems",
    "maxItem": "maxItems",
    "min": "minimum",
    "max": "maximum",
    "minLenght": "minLength",
    "maxLenght": "maxLength",
    "additionalProperty": "additionalProperties",
}
_BORDERS = (
    ("minimum", "maximum"),
    ("minItems", "maxItems"),
    ("minLength", "maxLength"),
    ("minProperties", "maxProperties"),
)
_MAX_DEPTH = 64


def check_contract(text: JsonText, config: PackageConfig) -> Iterator[Finding]:
    """Yield what the contract says in vain."""
    content = text.value
    if not isinstance(content, dict):
        return
    apis = content.get("apis")
    for index, entry in enumerate(apis if isinstance(apis, list) else []):
        for side in ("request", "response"):
            part = entry.get(side) if isinstance(entry, dict) else None
            if isinstance(part, dict):
                pointer = f"/apis/{index}/{side}"
                schema, pointer = (part["data"], f"{pointer}/data") if "data" in part else (part, pointer)
                yield from _check_schema(text, schema, pointer, side, 0)
    if not config.has_contract and all(problem.message == "declares no schema" for problem in config.problems):
        yield finding("no-contract", Place(CONFIG_NAME), "declares no schema for requests or answers")
    yield from _check_modes(text, config)


def _check_modes(text: JsonText, config: PackageConfig) -> Iterator[Finding]:
    """A mode that asks for a check where there is nothing to check by."""
    if config.problems and config.has_contract:
        return
    for side, schemas in (
        ("request", [api.request_schema for api in config.apis]),
        ("response", [api.response_schema for api in config.apis]),
    ):
        mode = config.validation.get(side)
        if mode in ("strict", "coerce") and not any(schema is not None for schema in schemas):
            message = f"is {mode}, but no schema of a {side} is declared"
            yield finding("mode-without-schema", text.place(f"/validation/{side}"), message)


def _check_schema(text: JsonText, schema: object, pointer: str, side: str, depth: int) -> Iterator[Finding]:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return
    for wrong, right in _MISSPELT.items():
        if wrong in schema and right not in schema:
            message = f"{wrong!r} constrains nothing; the keyword is {right!r}"
            code = "item-for-items" if wrong == "item" else "misspelt-keyword"
            yield finding(code, text.place(child_pointer(pointer, wrong)), message)
    if side == "response" and schema.get("type") == FILE_TYPE:
        yield finding(
            "file-in-answer", text.place(child_pointer(pointer, "type")), "an answer is JSON, which has no files"
        )
    yield from _check_borders(text, schema, pointer)
    yield from _check_required(text, schema, pointer)
    items = schema.get("items")
    if isinstance(items, list) and len(items) > 1 and not {"minItems", "additionalItems"} & set(schema):
        message = f"lists {len(items)} schemas; an array with fewer or more elements passes, too"
        yield finding("open-tuple", text.place(child_pointer(pointer, "items")), message)
    for key, value in schema.items():
        if key in ("properties", "patternProperties", "definitions") and isinstance(value, dict):
            for name, each in value.items():
                yield from _check_schema(text, each, child_pointer(child_pointer(pointer, key), name), side, depth + 1)
        elif key in ("items", "allOf", "anyOf", "oneOf") and isinstance(value, list):
            for index, each in enumerate(value):
                yield from _check_schema(text, each, f"{pointer}/{key}/{index}", side, depth + 1)
        elif key in ("items", "not", "additionalProperties", "contains"):
            yield from _check_schema(text, value, child_pointer(pointer, key), side, depth + 1)


def _check_borders(text: JsonText, schema: Mapping[str, Any], pointer: str) -> Iterator[Finding]:
    for low, high in _BORDERS:
        least, most = schema.get(low), schema.get(high)
        if _is_number(least) and _is_number(most) and least > most:  # type: ignore[operator]
            message = f"{least} is more than {high}, {most}: no value fits"
            yield finding("no-value-fits", text.place(child_pointer(pointer, low)), message)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_required(text: JsonText, schema: Mapping[str, Any], pointer: str) -> Iterator[Finding]:
    required, properties = schema.get("required"), schema.get("properties")
    if not isinstance(required, list) or not isinstance(properties, dict) or not properties:
        return
    if "patternProperties" in schema:
        return
    is_closed = schema.get("additionalProperties") is False
    for index, name in enumerate(required):
        if not isinstance(name, str) or name in properties:
            continue
        hint = did_you_mean(name, properties)
        if hint or is_closed:
            message = f"{name!r} is required, but not among the properties{hint}"
            yield finding("required-not-declared", text.place(f"{pointer}/required/{index}"), message)
