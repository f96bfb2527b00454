"""The schema dialect of config.json, translated to JSON Schema Draft 7.

The dialect is Draft 4 with a type ``file`` for uploads, and with ``items`` lists of one schema that mean "every
element". Draft 7 has no files: a file is represented by :data:`FILE_MARKER`. Its type, bytes, is none that JSON has: no
request can contain it, and no validator takes it for a string, number, array or object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError as _Draft7Error

from model_service.errors import PackageError

FILE_TYPE = "file"
FILE_MARKER = b"a file"
_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null", FILE_TYPE})

_COPIED_KEYWORDS = frozenset(
    [
        "required",
        "enum",
        "const",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "title",
        "description",
        "default",
        "examples",
    ]
)
_ONE_SCHEMA_KEYWORDS = (
    "additionalProperties",
    "additionalItems",
    "contains",
    "propertyNames",
    "not",
    "if",
    "then",
    "else",
)
_SCHEMA_MAP_KEYWORDS = ("properties", "patternProperties", "definitions")
_SCHEMA_LIST_KEYWORDS = ("allOf", "anyOf", "oneOf")
_MAX_DEPTH = 64


class DialectError(PackageError):
    """A schema cannot be used; ``pointer`` is the place in config.json."""

    def __init__(self, pointer: str, message: str):
        super().__init__(f"{pointer}: {message}")
        self.pointer = pointer
        self.message = message


def child_pointer(pointer: str, key: str | int) -> str:
    """Append one step to an RFC 6901 JSON pointer."""
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def to_draft7(schema: object, pointer: str = "") -> dict[str, Any]:
    """Translate one schema of the dialect.

    Keywords that Draft 7 does not know (``item``, ``index``, ...) constrain nothing and are left out; so is
    ``format``, which Draft 7 leaves to the implementation.

    Args:
        schema: the parsed JSON of the schema.
        pointer: where it stands in config.json.

    Raises:
        DialectError: it is no usable schema.
    """
    try:
        translated = _translate(schema, pointer, 0)
        _check_draft7(translated, pointer)
        _check_references(translated, translated, pointer)
        _check_ends(translated, pointer)
    except RecursionError as error:  # a value inside it, of enum or default, say
        raise DialectError(pointer, "nests too deeply") from error
    return translated


def _check_draft7(schema: dict[str, Any], pointer: str) -> None:
    try:
        Draft7Validator.check_schema(schema)
    except _Draft7Error as error:
        place = pointer
        for step in error.absolute_path:
            place = child_pointer(place, step)
        raise DialectError(place, error.message) from error


def _translate(schema: object, pointer: str, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict):
        raise DialectError(pointer, f"a schema must be an object, not {type(schema).__name__}")
    if depth > _MAX_DEPTH:
        raise DialectError(pointer, f"schemas nest more than {_MAX_DEPTH} deep")
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _COPIED_KEYWORDS:
            result[key] = value
        elif key in _TRANSLATORS:
            result.update(_TRANSLATORS[key](value, child_pointer(pointer, key), depth + 1))
        elif key == "$ref":
            result[key] = value
    _translate_draft4_limits(result)
    return result


def _type(value: object, pointer: str, _depth: int) -> dict[str, Any]:
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or name not in _TYPES:
            raise DialectError(pointer, f"unknown type {name!r}; known: {', '.join(sorted(_TYPES))}")
    if FILE_TYPE not in names:
        return {"type": value}
    others = [name for name in names if name != FILE_TYPE]
    marker: dict[str, Any] = {"const": FILE_MARKER}
    return {"anyOf": [marker, {"type": others}]} if others else marker


def _items(value: object, pointer: str, depth: int) -> dict[str, Any]:
    if not isinstance(value, list):
        return {"items": _translate(value, pointer, depth)}
    schemas = [_translate(item, child_pointer(pointer, index), depth) for index, item in enumerate(value)]
    if not schemas:
        return {}
    return {"items": schemas[0] if len(schemas) == 1 else schemas}


def _one_schema(keyword: str) -> Callable[[object, str, int], dict[str, Any]]:
    def translate(value: object, pointer: str, depth: int) -> dict[str, Any]:
        return {keyword: value if isinstance(value, bool) else _translate(value, pointer, depth)}

    return translate


def _schema_map(keyword: str) -> Callable[[object, str, int], dict[str, Any]]:
    def translate(value: object, pointer: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise DialectError(pointer, f"{keyword} must be an object")
        return {keyword: {name: _translate(item, child_pointer(pointer, name), depth) for name, item in value.items()}}

    return translate


def _schema_list(keyword: str) -> Callable[[object, str, int], dict[str, Any]]:
    def translate(value: object, pointer: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, list):
            raise DialectError(pointer, f"{keyword} must be an array")
        return {keyword: [_translate(item, child_pointer(pointer, index), depth) for index, item in enumerate(value)]}

    return translate


_TRANSLATORS: Mapping[str, Callable[[object, str, int], dict[str, Any]]] = {
    "type": _type,
    "items": _items,
    **{keyword: _one_schema(keyword) for keyword in _ONE_SCHEMA_KEYWORDS},
    **{keyword: _schema_map(keyword) for keyword in _SCHEMA_MAP_KEYWORDS},
    **{keyword: _schema_list(keyword) for keyword in _SCHEMA_LIST_KEYWORDS},
}


def _translate_draft4_limits(schema: dict[str, Any]) -> None:
    """Draft 4 says ``"minimum": 0, "exclusiveMinimum": true``, Draft 7 ``"exclusiveMinimum": 0``."""
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and limit in schema:
                schema[exclusive] = schema.pop(limit)


def _check_references(node: object, root: dict[str, Any], pointer: str) -> None:
    """Allow references into the same schema only, and only such as exist."""
    if isinstance(node, list):
        for item in node:
            _check_references(item, root, pointer)
    if not isinstance(node, dict):
        return
    reference = node.get("$ref")
    if isinstance(reference, str):
        name = reference.removeprefix("#/definitions/")
        if reference != "#" and (name == reference or name not in root.get("definitions", {})):
            raise DialectError(pointer, f'"$ref": {reference!r} leads nowhere; only "#/definitions/NAME" is followed')
    for value in node.values():
        _check_references(value, root, pointer)


def _check_ends(root: dict[str, Any], pointer: str) -> None:
    """Refuse references that lead back to themselves without a step down into the value: no check would end."""
    definitions: dict[str, Any] = root.get("definitions", {})
    for start in ("#", *(f"#/definitions/{name}" for name in definitions)):
        seen: set[str] = set()
        ahead = [start]
        while ahead:
            reference = ahead.pop()
            schema = root if reference == "#" else definitions[reference.removeprefix("#/definitions/")]
            for found in _references_in_place(schema):
                if found == start:
                    raise DialectError(pointer, f'"$ref": {start!r} leads back to itself')
                if found not in seen:
                    seen.add(found)
                    ahead.append(found)


def _references_in_place(schema: object) -> list[str]:
    """The references that are followed for the same value as ``schema`` itself."""
    if not isinstance(schema, dict):
        return []
    if isinstance(schema.get("$ref"), str):
        return [schema["$ref"]]
    applied = [schema[keyword] for keyword in ("not", "if", "then", "else") if keyword in schema]
    for keyword in _SCHEMA_LIST_KEYWORDS:
        applied += schema.get(keyword, [])
    return [reference for each in applied for reference in _references_in_place(each)]
