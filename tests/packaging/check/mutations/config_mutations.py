"""Mutations of config.json: broken JSON, keys dropped, wrong values, other schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .mutation import CONFIG, Mutation

Steps = tuple[str | int, ...]

PATTERN, PATTERN_TEXT = "^[A-Z]{3}[0-9]{5}$", "ABC12345"
_BROKEN_POSITIONS = 12
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null", "file")
_UNKNOWN_TYPES = ("list", "float")
# What ModelArts refuses, by its documents: the key, and values it must not have.
_REFUSED_VALUES: dict[str, list[object]] = {
    "model_algorithm": [None, 7, "", "<none>"],
    "model_type": [None, 7, "", "tensorflow 2"],
    "apis": [{}, "post"],
    "metrics": [[], {"accuracy": "high"}],
    "dependencies": [{}, [{"installer": "conda", "packages": []}], [{"installer": "pip", "packages": [{}]}]],
    "validation": ["strict", {"response": "always"}],
}
_REQUIRED_KEYS = ("model_algorithm", "model_type")


def config_mutations(text: str) -> Iterator[Mutation]:
    """Yield mutations of a config.json, given its text."""
    yield from _broken_json(text)
    config = json.loads(text)
    for key in _REQUIRED_KEYS:
        yield _mutation("key dropped", f"/{key} dropped", _without(config, key), breaks_rule=True)
    for key, wrongs in _REFUSED_VALUES.items():
        for wrong in wrongs:
            yield _mutation("wrong value", f"/{key} is {wrong!r}", {**config, key: wrong}, breaks_rule=True)
    for side in ("request", "response"):
        steps: Steps = ("apis", 0, side, "data")
        for node in _schema_nodes(_at(config, steps), steps):
            yield from _schema_mutations(config, node)
    yield from _dropped_keys(config)


def _mutation(kind: str, name: str, content: object, breaks_rule: bool = False) -> Mutation:
    return Mutation(kind, f"{CONFIG}: {name}", {CONFIG: json.dumps(content, indent=2).encode()}, breaks_rule)


def _broken_json(text: str) -> Iterator[Mutation]:
    """Take away one character that JSON needs, here and there in the file."""
    places = [index for index, character in enumerate(text) if character in '{}[]:"']
    for place in places[:: max(1, len(places) // _BROKEN_POSITIONS)]:
        broken = text[:place] + text[place + 1 :]
        try:
            json.loads(broken)
        except ValueError:
            name = f"{CONFIG}: character {place} ({text[place]}) removed"
            yield Mutation("broken JSON", name, {CONFIG: broken.encode()}, breaks_platform_rule=True)


def _dropped_keys(config: dict[str, Any]) -> Iterator[Mutation]:
    """Drop every key within the first API, one at a time."""

    def walk(value: Any, steps: Steps) -> Iterator[Steps]:
        children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, child in children:
            if isinstance(value, dict):
                yield (*steps, key)
            yield from walk(child, (*steps, key))

    start: Steps = ("apis", 0)
    for steps in walk(_at(config, start), start):
        dropped = _changed(config, steps[:-1], partial(_without, key=steps[-1]))
        yield _mutation("key dropped", f"{_pointer(steps)} dropped", dropped)


def _without(value: dict[Any, Any], key: str | int) -> dict[Any, Any]:
    return {name: each for name, each in value.items() if name != key}


def _schema_nodes(schema: Any, steps: Steps) -> Iterator[Steps]:
    """The path of a schema and of every schema in it."""
    if not isinstance(schema, dict):
        return
    yield steps
    for name, child in schema.get("properties", {}).items():
        yield from _schema_nodes(child, (*steps, "properties", name))
    items = schema.get("items")
    for index, child in enumerate(items if isinstance(items, list) else []):
        yield from _schema_nodes(child, (*steps, "items", index))
    yield from _schema_nodes(items, (*steps, "items"))


def _schema_mutations(config: dict[str, Any], steps: Steps) -> Iterator[Mutation]:
    place, schema = _pointer(steps), _at(config, steps)

    def changed(kind: str, what: str, change: Callable[[Any], Any], breaks_rule: bool = False) -> Mutation:
        return _mutation(kind, f"{place}{what}", _changed(config, steps, change), breaks_rule)

    def setting(key: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda schema: {**schema, key: value}

    for wrong in (*_TYPES, *_UNKNOWN_TYPES):
        if wrong != schema.get("type"):
            is_unknown = wrong in _UNKNOWN_TYPES
            yield changed("schema type", f"/type is {wrong}", setting("type", wrong), is_unknown)
    for name in schema.get("properties", {}):
        yield changed("property renamed", f": property {name} renamed", partial(_renamed, name))
        if name in schema.get("required", []):
            required = [f"{each}_2" if each == name else each for each in schema["required"]]
            yield changed("required renamed", f": required {name} renamed", setting("required", required))
    limits: dict[object, dict[str, object]] = {
        "array": {"minItems": 99, "maxItems": 0},
        "string": {"minLength": 99, "maxLength": 0, "enum": ["other"], "pattern": PATTERN},
        "number": {"maximum": -99, "minimum": 1000},
        "integer": {"maximum": -99, "minimum": 1000},
        "object": {"minProperties": 99, "maxProperties": 0},
    }
    for key, value in limits.get(schema.get("type"), {}).items():
        yield changed("schema limit", f"/{key} is {value}", setting(key, value))


def _renamed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    other = f"{name}_2"
    properties = {other if key == name else key: value for key, value in schema["properties"].items()}
    required = [other if key == name else key for key in schema.get("required", [])]
    return {**schema, "properties": properties, "required": required}


def _pointer(steps: Steps) -> str:
    return "/" + "/".join(map(str, steps))


def _at(value: Any, steps: Steps) -> Any:
    for step in steps:
        value = value[step]
    return value


def _changed(config: dict[str, Any], steps: Steps, change: Callable[[Any], Any]) -> Any:
    """The config with another value at a path of at least one step."""
    result = copy.deepcopy(config)
    parent = _at(result, steps[:-1])
    parent[steps[-1]] = change(parent[steps[-1]])
    return result
