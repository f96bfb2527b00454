"""The mapping rule: which column of a CSV row becomes which value of a request.

The rule is the request schema with an ``index`` at its leaves, as batch services of ModelArts take it. Without any
index the columns are taken in the order of the leaves.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from model_service.errors import BadRequest, SettingsError
from model_service.package.schema import FILE_TYPE, child_pointer

_LEFT_OUT: Any = object()  # JSON has no such value
# A decimal number as spreadsheets write it; Python would also take "1_0", "nan" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MAX_DIGITS = 4300  # Python refuses to convert longer integers
Build = Callable[[Sequence[str]], Any]


class RowMapping:
    """Makes a request of a row.

    Args:
        rule: the mapping rule; None: the row itself, numbers where a text is one.

    Raises:
        SettingsError: the rule cannot be used; the message gives the JSON pointer.
    """

    def __init__(self, rule: Mapping[str, Any] | None):
        if rule is None:
            self._build: Build = lambda row: [_as_number(text) for text in row]
            return
        try:
            leaves = list(_leaves(rule, ""))
            self._build = _builder(rule, "", _columns(leaves))
        except RecursionError as error:
            raise SettingsError("the mapping rule nests too deeply") from error

    def request(self, row: Sequence[str]) -> Any:
        """Make the request of one row.

        Raises:
            BadRequest: the row has too few columns.
        """
        value = self._build(row)
        return {} if value is _LEFT_OUT else value


def read_rule(path: Path) -> Mapping[str, Any]:
    """Read a mapping rule from a JSON file.

    Raises:
        SettingsError: it cannot be read, or is no JSON object.
    """
    try:
        rule = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"--mapping {path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"--mapping {path}: not JSON: {error}") from error
    if not isinstance(rule, dict):
        raise SettingsError(f"--mapping {path}: must be a JSON object: the request schema with an index at each leaf")
    return rule


def _columns(leaves: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, int]:
    """The column of each leaf by the leaf's pointer; a leaf whose index is none is left out, as the platform does."""
    if not leaves or leaves[0][0] == "":
        raise SettingsError("the mapping rule has no leaf of type string, number, integer or boolean")
    if all("index" not in leaf for _, leaf in leaves):
        return {pointer: position for position, (pointer, _) in enumerate(leaves)}
    columns = {}
    for pointer, leaf in leaves:
        index = leaf.get("index")
        if isinstance(index, int) and not isinstance(index, bool) and index >= 0:
            columns[pointer] = index
    if not columns:
        raise SettingsError("the mapping rule uses no column: no index is a whole number from 0 on")
    return columns


def _leaves(schema: Any, pointer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The leaves below a schema with their pointers, in the order they are written in."""
    if not isinstance(schema, dict):
        raise SettingsError(f"the mapping rule at {pointer or 'its top level'}: must be an object")
    if "properties" in schema:
        for name, child in _properties(schema, pointer).items():
            yield from _leaves(child, child_pointer(f"{pointer}/properties", name))
    elif "items" in schema:
        yield from _leaves(_only_item(schema, pointer), f"{pointer}/items")
    elif schema.get("type") == FILE_TYPE:
        raise SettingsError(f"the mapping rule at {pointer}: a column of a CSV row cannot become a file")
    elif schema.get("type") not in ("object", "array"):
        yield pointer, schema


def _properties(schema: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
    properties = schema["properties"]
    if not isinstance(properties, dict):
        raise SettingsError(f"the mapping rule at {pointer}/properties: must be an object")
    return properties


def _only_item(schema: Mapping[str, Any], pointer: str) -> Any:
    items = schema["items"]
    if isinstance(items, list):
        if len(items) != 1:
            raise SettingsError(f"the mapping rule at {pointer}/items: must have one schema, not {len(items)}")
        return items[0]
    return items


def _builder(schema: Mapping[str, Any], pointer: str, columns: Mapping[str, int]) -> Build:
    if "properties" in schema:
        builders = {
            name: _builder(child, child_pointer(f"{pointer}/properties", name), columns)
            for name, child in schema["properties"].items()
        }
        return lambda row: _present({name: build(row) for name, build in builders.items()})
    if "items" in schema:
        element = _builder(_only_item(schema, pointer), f"{pointer}/items", columns)
        return lambda row: [value for value in [element(row)] if value is not _LEFT_OUT]
    column = columns.get(pointer)
    if column is None:
        return lambda row: _LEFT_OUT
    return lambda row: _leaf_value(row, column, schema.get("type"))


def _present(values: dict[str, Any]) -> Any:
    return {name: value for name, value in values.items() if value is not _LEFT_OUT}


def _leaf_value(row: Sequence[str], column: int, kind: object) -> Any:
    if column >= len(row):
        raise BadRequest(f"the row has {len(row)} columns, and the mapping rule asks for index {column}")
    text = row[column].strip()
    if kind in ("number", "integer"):
        return _as_number(text)
    if kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    return row[column]


def _as_number(text: str) -> int | float | str:
    """A number where the text is one; else the text, which the contract then refuses with a pointer."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or len(text) > _MAX_DIGITS:
        return text
    is_whole = match[2] is None and "." not in match[1]
    number = int(text) if is_whole else float(text)
    return number if math.isfinite(number) else text
