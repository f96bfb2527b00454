"""The fast check and jsonschema agree: on seeded random schemas, and on the cases where fast checks go wrong."""

from __future__ import annotations

import random
from typing import Any

import pytest
from jsonschema import Draft7Validator

from model_service.inference.contract import Mode, SideContract
from model_service.package.schema import to_draft7

Schema = dict[str, Any]

NAMES = ["a", "b", "ab", ""]
SCALARS: list[Any] = [None, True, False, 0, 1, -1, 2, 0.0, 1.0, 0.5, 1e300, 10**20, "", "a", "ab", "1", "é"]
TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"]


def some_value(random: random.Random, depth: int = 3) -> Any:
    choice = random.random()
    if depth == 0 or choice < 0.4:
        return random.choice(SCALARS)
    if choice < 0.7:
        return [some_value(random, depth - 1) for _ in range(random.randrange(4))]
    return {random.choice(NAMES): some_value(random, depth - 1) for _ in range(random.randrange(4))}


def some_keyword(random: random.Random, depth: int) -> Schema:
    def schema() -> Schema:
        return some_schema(random, depth - 1)

    def schemas() -> list[Schema]:
        return [schema() for _ in range(random.randrange(1, 3))]

    number, count = random.choice([0, 1, -1, 0.5, 2]), random.randrange(3)
    simple: list[Schema] = [
        {"type": random.choice(TYPES)},
        {"type": random.sample(TYPES, 2)},
        {"enum": [some_value(random, 1) for _ in range(3)]},
        {"const": some_value(random, 1)},
        {"minimum": number},
        {"maximum": number},
        {"minimum": number, "exclusiveMinimum": random.choice([True, False])},
        {"exclusiveMaximum": number},
        {"multipleOf": random.choice([1, 2, 0.5, 0.1])},
        {"minLength": count},
        {"maxLength": count},
        {"pattern": random.choice(["^a", "b$", "."])},
        {"minItems": count},
        {"maxItems": count},
        {"uniqueItems": True},
        {"required": random.sample(NAMES, count)},
        {"minProperties": count},
        {"maxProperties": count},
        {"additionalProperties": False, "properties": {"a": {}}},
    ]
    if depth == 0 or random.random() < 0.5:
        return random.choice(simple)
    nested: list[Schema] = [
        {"properties": {name: schema() for name in random.sample(NAMES, 2)}},
        {"patternProperties": {"^a": schema()}},
        {"additionalProperties": schema()},
        {"propertyNames": schema()},
        {"items": schema()},
        {"items": schemas()},
        {"items": [schema(), schema()], "additionalItems": random.choice([False, schema()])},
        {"contains": schema()},
        {"not": schema()},
        {"anyOf": schemas()},
        {"allOf": schemas()},
        {"oneOf": schemas()},
        {"if": schema(), "then": schema(), "else": schema()},
    ]
    return random.choice(nested)


def some_schema(random: random.Random, depth: int = 2) -> Schema:
    merged: Schema = {}
    for _ in range(random.randrange(1, 4)):
        merged.update(some_keyword(random, depth))
    return merged


@pytest.mark.parametrize("seed", range(20))
def test_random_schemas_and_values(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(15):
        schema = to_draft7(some_schema(chance))
        slow = Draft7Validator(schema)
        contract = SideContract(schema, Mode.STRICT)
        for _ in range(15):
            value = some_value(chance)
            violations = contract.check_response(value).violations
            assert (violations == ()) == slow.is_valid(value), (schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": [1]}, True),
        ({"enum": [True]}, 1),
        ({"enum": [0, 2]}, False),
        ({"const": 0}, False),
        ({"const": [1]}, [True]),
        ({"enum": [{"a": 1}]}, {"a": True}),
        ({"type": "integer"}, True),
        ({"type": "number"}, False),
        ({"uniqueItems": True}, [1, 1.0]),
        ({"uniqueItems": True}, [{"a": 1}, {"a": 1}]),
        ({"uniqueItems": True}, [[1], [1]]),
        ({"maxLength": 1}, "ab"),
        ({"minLength": 2}, "é"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}),
        ({"items": [{"type": "string"}], "additionalItems": False}, "no array"),
        ({"contains": {"const": 1}}, [True]),
    ],
    ids=repr,
)
def test_where_fast_checks_are_known_to_go_wrong(schema: Schema, value: object) -> None:
    draft7 = to_draft7(schema)
    violations = SideContract(draft7, Mode.STRICT).check_response(value).violations
    assert (violations == ()) == Draft7Validator(draft7).is_valid(value)


@pytest.mark.parametrize(
    ("value", "is_unique"), [([1, True], True), ([0, False], True), ([[1], [True]], True), ([1, 1], False)]
)
def test_a_number_and_a_truth_value_are_two_things(value: object, is_unique: bool) -> None:
    assert (SideContract({"uniqueItems": True}, Mode.STRICT).check_response(value).violations == ()) == is_unique
