"""Values that a declared schema allows: one that is as plain as can be, and one at each of its borders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model_service.package.schema import FILE_MARKER

Schema = Mapping[str, Any]

_MAX_DEPTH = 12
_MAX_ITEMS = 64
_WORD = "example "


@dataclass(frozen=True)
class Made:
    """A value, and the texts in it that were invented because the schema names none.

    ``is_guess``: something in it is needed, but described nowhere.
    """

    value: Any
    invented: frozenset[str] = frozenset()
    is_guess: bool = False


class CannotMake(Exception):
    """No value can be made of a schema."""


class ValueMaker:
    """Makes values of one schema in Draft 7.

    Args:
        root: the schema; references lead into it.
    """

    def __init__(self, root: Schema):
        self._root = root

    def plain(self, schema: Schema, depth: int = 0) -> Made:
        """Make a value that has what is required and little else; the schema's own examples come first.

        Raises:
            CannotMake: the schema asks for what this cannot make: a file, a pattern, a schema within itself.
        """
        schema = self.resolved(schema, depth)
        for keyword in ("const", "default"):
            if keyword in schema and schema[keyword] != FILE_MARKER:
                return Made(schema[keyword])
        for keyword in ("examples", "enum"):
            if isinstance(schema.get(keyword), list) and schema[keyword]:
                return Made(schema[keyword][0])
        if schema.get("const") == FILE_MARKER:
            raise CannotMake("a file")
        kind = self.types(schema)[0]
        if kind == "object":
            return self._object(schema, frozenset(), depth)
        if kind == "array":
            return self._array(schema, None, depth)
        if kind == "string":
            return _string(schema, max(int(schema.get("minLength", 0)), 0))
        if kind in ("number", "integer"):
            return Made(_number(schema, kind))
        return Made({"boolean": True, "null": None}.get(kind))

    def resolved(self, schema: Schema, depth: int = 0) -> Schema:
        """Follow references, and take the first of several alternatives.

        Raises:
            CannotMake: too deep.
        """
        if depth > _MAX_DEPTH:
            raise CannotMake("a schema within itself")
        reference = schema.get("$ref")
        if isinstance(reference, str):
            name = reference.removeprefix("#/definitions/")
            return self.resolved(self._root if reference == "#" else self._root["definitions"][name], depth + 1)
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                rest = {key: value for key, value in schema.items() if key != keyword}
                return self.resolved({**rest, **self.resolved(schema[keyword][0], depth + 1)}, depth + 1)
        if "allOf" in schema:
            merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
            for each in schema["allOf"]:
                part = self.resolved(each, depth + 1)
                merged = {
                    **merged,
                    **part,
                    "properties": {**merged.get("properties", {}), **part.get("properties", {})},
                    "required": [*merged.get("required", []), *part.get("required", [])],
                }
            return self.resolved(merged, depth + 1)
        return schema

    def types(self, schema: Schema) -> list[str]:
        """The types a schema names or implies, the most telling first."""
        declared = schema.get("type")
        if declared is not None:
            return [declared] if isinstance(declared, str) else list(declared)
        for keyword, kind in (
            ("properties", "object"),
            ("required", "object"),
            ("items", "array"),
            ("minimum", "number"),
        ):
            if keyword in schema:
                return [kind]
        return ["string"]

    def _object(self, schema: Schema, left_out: frozenset[str], depth: int) -> Made:
        properties = schema.get("properties", {})
        result, invented, is_guess = {}, frozenset[str](), False
        for name in dict.fromkeys([*schema.get("required", []), *properties]):
            if name not in left_out:
                made = self.plain(properties.get(name, {}), depth + 1)
                result[name] = made.value
                invented |= made.invented
                is_guess |= made.is_guess or name not in properties
        return Made(result, invented, is_guess)

    def _array(self, schema: Schema, length: int | None, depth: int) -> Made:
        items = schema.get("items", {})
        least = int(schema.get("minItems", 0))
        if isinstance(items, list):
            parts = [self.plain(item, depth + 1) for item in items]
            invented = frozenset[str]().union(*(part.invented for part in parts))
            return Made([part.value for part in parts], invented, any(part.is_guess for part in parts))
        count = max(least, min(1, int(schema.get("maxItems", 1)))) if length is None else length
        if count > 100 * _MAX_ITEMS**2:
            raise CannotMake("an array of that length")
        made = self.plain(items if isinstance(items, Mapping) else {}, depth + 1)
        return Made([made.value] * count, made.invented, (made.is_guess or not items) and count > 0)

    def borders(self, schema: Schema, pointer: str = "", depth: int = 0) -> Iterator[tuple[str, Made]]:
        """Make values at the borders of a schema, each with a title; values of parts stand in a whole of plain ones."""
        schema = self.resolved(schema, depth)
        place = pointer or "(whole)"
        kinds = self.types(schema)
        for value in schema.get("enum", [])[1:_MAX_ITEMS]:
            yield f"{place} = {value!r}", Made(value)
        for kind in kinds[1:]:
            yield f"{place} as {kind}", self.plain({"type": kind}, depth + 1)
        if "enum" in schema or "const" in schema:
            return
        if kinds[0] in ("number", "integer"):
            for keyword in ("minimum", "maximum"):
                if isinstance(schema.get(keyword), int | float):
                    yield f"{place} at its {keyword} {schema[keyword]}", Made(schema[keyword])
        elif kinds[0] == "string":
            for keyword in ("minLength", "maxLength"):
                if keyword in schema and schema[keyword] <= 10_000:
                    yield f"{place} at its {keyword} {schema[keyword]}", _string(schema, int(schema[keyword]))
        elif kinds[0] == "array":
            yield from self._array_borders(schema, pointer, depth)
        elif kinds[0] == "object":
            yield from self._object_borders(schema, pointer, depth)

    def _array_borders(self, schema: Schema, pointer: str, depth: int) -> Iterator[tuple[str, Made]]:
        items = schema.get("items", {})
        if not isinstance(items, Mapping):
            return
        if schema.get("minItems", 0) == 0:
            yield f"{pointer or '(whole)'} empty", Made([])
        if schema.get("maxItems", _MAX_ITEMS) >= 2 and schema.get("minItems", 0) <= 2 and not schema.get("uniqueItems"):
            yield f"{pointer or '(whole)'} with two items", self._array(schema, 2, depth)
        least = max(int(schema.get("minItems", 0)), 1)
        for title, made in self.borders(items, f"{pointer}/0", depth + 1):
            yield title, Made([made.value] * least, made.invented)

    def _object_borders(self, schema: Schema, pointer: str, depth: int) -> Iterator[tuple[str, Made]]:
        properties = schema.get("properties", {})
        whole = self._object(schema, frozenset(), depth)
        for name in properties:
            if name not in schema.get("required", []):
                yield f"without {pointer}/{name}", self._object(schema, frozenset({name}), depth)
        for name, part in properties.items():
            for title, made in self.borders(part, f"{pointer}/{name}", depth + 1):
                yield title, Made({**whole.value, name: made.value}, whole.invented | made.invented)


def _number(schema: Schema, kind: str) -> int | float:
    step = schema.get("multipleOf")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + (step or (1 if kind == "integer" else 0.5))
    if high is None and "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - (step or (1 if kind == "integer" else 0.5))
    wish: int | float = 1 if kind == "integer" else 0.5
    if step:
        wish = step
    if low is not None and wish < low:
        wish = low
    if high is not None and wish > high:
        wish = high
    return wish


def _string(schema: Schema, length: int) -> Made:
    if "pattern" in schema:
        raise CannotMake("a text of a pattern")
    text = (_WORD * (length // len(_WORD) + 1))[: length or len(_WORD) - 1]
    if length == 0 and schema.get("maxLength", len(text)) < len(text):
        text = text[: schema["maxLength"]]
    return Made(text, frozenset({text}))
