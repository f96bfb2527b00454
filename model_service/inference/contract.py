"""Holding a request and an answer against the declared contract (design D4).

A fast compiled validator says yes or no; only on no does jsonschema work out what is wrong and where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from io import BytesIO
from typing import Any

import fastjsonschema
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from model_service.errors import Violation
from model_service.inference.json_types import JsonValue
from model_service.package.schema import FILE_MARKER, child_pointer

_MAX_VIOLATIONS = 20
_MAX_TEXT_CHARACTERS = 80
_MAX_REFERENCES = 64
# What validators raise for values that nest too deeply, and for NaN, infinity and huge integers beside multipleOf.
_BEYOND_CHECKING = (RecursionError, OverflowError, ValueError)


@unique
class Mode(Enum):
    """What is done about a value that breaks the contract."""

    OFF = "off"
    WARN = "warn"
    COERCE = "coerce"
    STRICT = "strict"


@dataclass(frozen=True)
class Checked:
    """A value after the check: as given, or coerced; and what was wrong with it."""

    value: Any
    violations: tuple[Violation, ...] = ()


class SideContract:
    """The contract of one side, request or response: a Draft 7 schema and a mode."""

    def __init__(self, schema: Mapping[str, Any] | None, mode: Mode):
        self.mode = mode if schema is not None else Mode.OFF
        self._schema = dict(schema or {})
        self._errors = Draft7Validator(self._schema)
        self._is_valid = _compile(self._schema, self._errors) if self.mode is not Mode.OFF else None

    def check_request(self, data: object, text_fields: frozenset[str]) -> Checked:
        """Check what a request brought.

        Args:
            data: as hooks get it: JSON types, and ``{file name: BytesIO}`` for a file field.
            text_fields: the keys of ``data`` that came as form text or query; where the schema declares a number or
                a boolean there, the text is checked as one.

        Returns:
            ``data`` itself, coerced in coerce mode; with all that is wrong.
        """
        if self._is_valid is None:
            return Checked(data)
        view = self._request_view(data, text_fields)
        is_valid = self._is_valid(view)
        if self.mode is Mode.COERCE and (text_fields or not is_valid):
            coerced = coerce(data, self._schema)
            view = self._request_view(coerced, text_fields)
            if self._is_valid(view):
                return Checked(coerced)
            return Checked(data, self._violations(view))
        return Checked(data) if is_valid else Checked(data, self._violations(view))

    def check_response(self, value: JsonValue) -> Checked:
        """Check an answer that is made of JSON types; coerced in coerce mode."""
        if self._is_valid is None or self._is_valid(value):
            return Checked(value)
        if self.mode is Mode.COERCE:
            value = coerce(value, self._schema)
            if self._is_valid(value):
                return Checked(value)
        return Checked(value, self._violations(value))

    def _request_view(self, data: object, text_fields: frozenset[str]) -> object:
        if not isinstance(data, dict):
            return data
        properties = self._schema.get("properties", {})
        view: dict[str, object] = {}
        for name, value in data.items():
            if _is_file_field(value):
                view[name] = FILE_MARKER
            elif name in text_fields and isinstance(value, str):
                view[name] = _text_as_declared(value, properties.get(name, {}), self._schema)
            else:
                view[name] = value
        return view

    def _violations(self, view: object) -> tuple[Violation, ...]:
        found: list[Violation] = []
        try:
            for error in self._errors.iter_errors(view):
                found.append(_violation(error))
                if len(found) == _MAX_VIOLATIONS:
                    break
        except _BEYOND_CHECKING:
            found = found or [Violation("", "type", "a value that can be checked", _describe(view))]
        return tuple(found)


def _compile(schema: dict[str, Any], slow: Draft7Validator) -> Callable[[object], bool]:
    """Make a fast yes-or-no check; what it cannot compile, jsonschema checks."""
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", **schema}
    try:
        validate = fastjsonschema.compile(draft7, use_default=False, use_formats=False)
    except (fastjsonschema.JsonSchemaDefinitionException, SyntaxError):
        return lambda value: _is_valid_slowly(slow, value)

    def is_valid(value: object) -> bool:
        try:
            validate(value)
        except _BEYOND_CHECKING:  # among them fastjsonschema's own no; jsonschema has the last word
            return _is_valid_slowly(slow, value)
        return True

    return is_valid


def _is_valid_slowly(slow: Draft7Validator, value: object) -> bool:
    try:
        return slow.is_valid(value)
    except _BEYOND_CHECKING:
        return False


def _is_file_field(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(item, BytesIO) for item in value.values())


def _declared_types(schema: Mapping[str, Any], root: Mapping[str, Any]) -> frozenset[str]:
    """The types that a schema names, itself or through references."""
    for _ in range(_MAX_REFERENCES):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        schema = root if reference == "#" else root["definitions"][reference.removeprefix("#/definitions/")]
    declared = schema.get("type", ())
    return frozenset([declared] if isinstance(declared, str) else declared)


def _text_as_declared(text: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> object:
    types = _declared_types(schema, root)
    if "string" in types:
        return text
    if "boolean" in types and text in ("true", "false"):
        return text == "true"
    if types & {"number", "integer"}:
        number = _as_number(text)
        return text if number is None else number
    return text


def _as_number(text: str) -> int | float | None:
    if "_" in text:  # Python's own spelling, not a number to anybody else
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number - number == 0 else None  # no NaN, no infinity


def coerce(value: object, schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """Return ``value`` with numeric text where a number is declared, and numbers as text where text is; no more."""
    root = schema if root is None else root
    if _is_file_field(value):
        return value
    types = _declared_types(schema, root)
    if isinstance(value, str):
        number = _as_number(value) if types & {"number", "integer"} and "string" not in types else None
        return value if number is None else number
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value) if "string" in types and not types & {"number", "integer"} else value
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return {key: coerce(item, properties.get(key, {}), root) for key, item in value.items()}
    if isinstance(value, list):
        items = schema.get("items", {})
        if isinstance(items, list):
            return [coerce(item, items[i] if i < len(items) else {}, root) for i, item in enumerate(value)]
        return [coerce(item, items, root) for item in value]
    return value


def _violation(error: ValidationError) -> Violation:
    pointer = ""
    for step in error.absolute_path:
        pointer = child_pointer(pointer, step)
    keyword = str(error.validator)
    wanted: Any = error.validator_value
    instance: Any = error.instance
    if keyword == "required":
        missing = error.message.removesuffix(" is a required property")
        name = next((name for name in wanted if repr(name) == missing), "")
        return Violation(child_pointer(pointer, name), keyword, "to be present", "nothing")
    if keyword == "const" and wanted == FILE_MARKER:
        return Violation(pointer, "type", "a file", _describe(instance))
    if keyword == "anyOf" and {"const": FILE_MARKER} in wanted:
        return Violation(pointer, "type", "a file or another declared type", _describe(instance))
    return Violation(pointer, keyword, _expected(keyword, wanted), _describe(instance))


def _expected(keyword: str, wanted: object) -> str:
    if keyword == "type":
        return " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
    if isinstance(wanted, dict) or (isinstance(wanted, list) and keyword.endswith("Of")):
        return f"to fit {keyword}"
    return f"{keyword} {_shortened(repr(wanted))}"


def _describe(value: object) -> str:
    if value == FILE_MARKER:
        return "a file"
    if isinstance(value, dict):
        return f"object with {len(value)} keys"
    if isinstance(value, list):
        return f"array of {len(value)}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    kind = "string" if isinstance(value, str) else "number"
    return f"{kind} {_shortened(repr(value))}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT_CHARACTERS else text[: _MAX_TEXT_CHARACTERS - 3] + "..."
