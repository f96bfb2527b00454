"""Holding values against the contract: what each mode lets pass, what is changed, what is said about the rest."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from model_service.errors import Violation
from model_service.inference.contract import Checked, Mode, SideContract, coerce
from model_service.package.schema import FILE_MARKER, to_draft7

NOTHING: frozenset[str] = frozenset()
ALL_MODES = list(Mode)
PICTURE = {"images": {"digit.png": BytesIO(b"png")}}


def side(schema: object, mode: Mode = Mode.STRICT) -> SideContract:
    return SideContract(to_draft7(schema), mode)


def properties(**schemas: object) -> dict[str, Any]:
    return {"type": "object", "properties": schemas}


NUMBER = properties(x={"type": "number"})
FILES = {**properties(images={"type": "file"}), "required": ["images"]}


def said(checked: Checked) -> list[tuple[str, str]]:
    return [(violation.pointer, violation.keyword) for violation in checked.violations]


# Modes


@pytest.mark.parametrize("mode", ALL_MODES)
def test_without_a_schema_nothing_is_checked(mode: Mode) -> None:
    contract = SideContract(None, mode)
    assert contract.mode is Mode.OFF
    for value in ({"x": object()}, None, [1]):
        assert contract.check_request(value, NOTHING) == Checked(value)
        assert contract.check_response(value) == Checked(value)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_good_value_passes_untouched(mode: Mode) -> None:
    value = {"x": 1.5, "more": [None]}
    assert side(NUMBER, mode).check_request(value, NOTHING) == Checked(value)
    assert side(NUMBER, mode).check_request(value, NOTHING).value is value
    assert side(NUMBER, mode).check_response(value).value is value


def test_off_says_nothing_about_a_bad_value() -> None:
    value = {"x": "text"}
    assert side(NUMBER, Mode.OFF).check_request(value, NOTHING) == Checked(value)
    assert side(NUMBER, Mode.OFF).check_response(value) == Checked(value)


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.STRICT])
def test_warn_and_strict_say_what_is_wrong_and_change_nothing(mode: Mode) -> None:
    value = {"x": "1.5"}
    violation = Violation("/x", "type", "number", "string '1.5'")
    assert side(NUMBER, mode).check_request(value, NOTHING) == Checked(value, (violation,))
    assert side(NUMBER, mode).check_response(value) == Checked(value, (violation,))


@pytest.mark.parametrize(
    ("schema", "given", "coerced"),
    [
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "number"}, "1", 1),
        ({"type": "number"}, "-1e3", -1000.0),
        ({"type": "integer"}, "7", 7),
        ({"type": "string"}, 7, "7"),
        ({"type": "string"}, 0.5, "0.5"),
        ({"type": ["number", "null"]}, "0.5", 0.5),
        ({"type": ["string", "null"]}, 7, "7"),
        ({"items": {"type": "number"}}, ["1", 2, "3.5"], [1, 2, 3.5]),
        ({"items": [{"type": "string"}, {"type": "number"}]}, [1, "0.5", "rest"], ["1", 0.5, "rest"]),
        (properties(a=properties(b={"type": "number"})), {"a": {"b": "1"}, "c": "2"}, {"a": {"b": 1}, "c": "2"}),
        ({"type": "array", "items": {"items": [{"type": "string"}, {"type": "number"}]}}, [["a", "0.9"]], [["a", 0.9]]),
    ],
    ids=repr,
)
def test_coerce_turns_numeric_text_and_numbers_into_each_other(schema: object, given: object, coerced: object) -> None:
    assert side(schema, Mode.COERCE).check_response(given) == Checked(coerced)
    request = side(properties(a=schema), Mode.COERCE)
    assert request.check_request({"a": given}, NOTHING) == Checked({"a": coerced})


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        ({"type": "number"}, "text"),
        ({"type": "number"}, ""),
        ({"type": "number"}, "nan"),
        ({"type": "number"}, "1_000"),
        ({"type": "number"}, True),
        ({"type": "number"}, None),
        ({"type": "number"}, ["1"]),
        ({"type": "integer"}, "1.5"),
        ({"type": "string"}, True),
        ({"type": "string"}, None),
        ({"type": "boolean"}, "true"),
        ({"type": "boolean"}, 1),
        ({"type": "array"}, "1"),
        ({"type": "null"}, "null"),
        (properties(a={"type": "number", "maximum": 1}), {"a": "2"}),
    ],
    ids=repr,
)
def test_coerce_does_nothing_else_and_is_strict_about_it(schema: object, given: object) -> None:
    assert side(schema, Mode.COERCE).check_response(given).violations
    assert side(properties(a=schema), Mode.COERCE).check_request({"a": given}, NOTHING).violations


def test_coerce_makes_new_values() -> None:
    given = {"a": ["1"]}
    assert coerce(given, {"properties": {"a": {"items": {"type": "number"}}}}) == {"a": [1]}
    assert given == {"a": ["1"]}


# Form text


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.STRICT])
@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number"}, "0.3"),
        ({"type": "number"}, "-7"),
        ({"type": "number", "minimum": 0, "maximum": 1}, "1"),
        ({"type": "integer"}, "12"),
        ({"type": ["number", "null"]}, "0.3"),
        ({"type": "boolean"}, "true"),
        ({"type": "boolean"}, "false"),
        ({"type": "string"}, "0.3"),
        ({"type": "string", "maxLength": 3}, "0.3"),
        ({"type": ["string", "number"]}, "0.3"),
        ({"enum": ["1", "2"]}, "1"),
        ({}, "0.3"),
    ],
    ids=repr,
)
def test_form_text_is_checked_as_declared_and_handed_on_as_text(schema: object, text: str, mode: Mode) -> None:
    data = {"x": text, "y": "z"}
    checked = side(properties(x=schema), mode).check_request(data, frozenset({"x", "y"}))
    assert checked.violations == ()
    assert checked.value is data
    assert data["x"] == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "number"}, "text"),
        ({"type": "number"}, ""),
        ({"type": "number"}, "nan"),
        ({"type": "number"}, "inf"),
        ({"type": "number"}, "1e999"),
        ({"type": "number"}, "1_0"),
        ({"type": "number"}, "0x10"),
        ({"type": "number", "maximum": 1}, "2"),
        ({"type": "integer"}, "1.5"),
        ({"type": "boolean"}, "yes"),
        ({"type": "boolean"}, "1"),
        ({"type": "array"}, "[1]"),
        ({"type": "object"}, "{}"),
        ({"type": "null"}, "null"),
        ({"type": "file"}, "text"),
        ({"type": "string", "maxLength": 3}, "long"),
    ],
    ids=repr,
)
def test_form_text_that_is_not_what_is_declared(schema: object, text: str) -> None:
    checked = side(properties(x=schema)).check_request({"x": text}, frozenset({"x"}))
    assert [violation.pointer for violation in checked.violations] == ["/x"]


def test_a_number_with_thousands_of_digits() -> None:
    checked = side(NUMBER).check_request({"x": "9" * 5000}, frozenset({"x"}))
    assert said(checked) == [("/x", "type")]
    assert len(checked.violations[0].got) < 100


def test_form_text_of_a_type_behind_a_reference() -> None:
    schema = {"definitions": {"n": {"type": "number"}}, "properties": {"x": {"$ref": "#/definitions/n"}}}
    assert side(schema).check_request({"x": "0.3"}, frozenset({"x"})).violations == ()


def test_only_form_text_is_read_as_a_number() -> None:
    assert said(side(NUMBER).check_request({"x": "0.3"}, NOTHING)) == [("/x", "type")]


def test_coerce_hands_form_text_on_as_the_number_it_is() -> None:
    contract = side(properties(x={"type": "number"}, s={"type": "string"}), Mode.COERCE)
    checked = contract.check_request({"x": "0.3", "s": "7", "y": "5"}, frozenset({"x", "s", "y"}))
    assert checked == Checked({"x": 0.3, "s": "7", "y": "5"})


def test_coerce_leaves_form_text_that_is_declared_boolean() -> None:
    contract = side(properties(x={"type": "boolean"}), Mode.COERCE)
    assert contract.check_request({"x": "true"}, frozenset({"x"})) == Checked({"x": "true"})


# Files


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_file_where_a_file_is_declared(mode: Mode) -> None:
    checked = side(FILES, mode).check_request(PICTURE, NOTHING)
    assert checked.violations == ()
    assert checked.value is PICTURE


def test_several_files_in_one_field_and_a_text_beside_them() -> None:
    data = {"images": {"a": BytesIO(), "b": BytesIO()}, "side": "left"}
    schema = {**properties(images={"type": "file"}, side={"type": "string"}), "additionalProperties": False}
    assert side(schema).check_request(data, frozenset({"side"})).violations == ()


@pytest.mark.parametrize("value", ["text", "file:", "", {}, {"digit.png": "text"}, None, 3, []], ids=repr)
def test_what_is_no_file(value: object) -> None:
    [violation] = side(FILES).check_request({"images": value}, NOTHING).violations
    assert (violation.pointer, violation.keyword, violation.expected) == ("/images", "type", "a file")


@pytest.mark.parametrize("kind", ["string", "number", "array", "boolean", "null", ["string", "number"]], ids=str)
def test_a_file_where_something_else_is_declared(kind: object) -> None:
    checked = side(properties(images={"type": kind})).check_request(PICTURE, NOTHING)
    [violation] = checked.violations
    assert (violation.pointer, violation.got) == ("/images", "a file")
    assert str(FILE_MARKER) not in str(checked.violations)


@pytest.mark.parametrize("limit", [{"maxLength": 10}, {"minLength": 100}, {"pattern": r"\.png$"}], ids=str)
def test_limits_of_text_say_nothing_about_files(limit: dict[str, Any]) -> None:
    assert side(properties(images={"type": "file", **limit})).check_request(PICTURE, NOTHING).violations == ()


def test_a_file_or_something_else() -> None:
    contract = side(properties(images={"type": ["file", "array"]}))
    assert contract.check_request(PICTURE, NOTHING).violations == ()
    assert contract.check_request({"images": [1]}, NOTHING).violations == ()
    [violation] = contract.check_request({"images": 1}, NOTHING).violations
    assert violation.expected == "a file or another declared type"
    assert str(FILE_MARKER) not in str(violation)


def test_the_marker_is_never_told() -> None:
    for schema in (
        {"properties": {"images": {"enum": ["a"]}}},
        {"properties": {"images": {"not": {"type": "file"}}}},
        {"additionalProperties": False},
        {"properties": {"images": {"anyOf": [{"type": "number"}, {"type": "array"}]}}},
        {"properties": {"images": {"oneOf": [{"type": "file"}, {"type": "file"}]}}},
        {"required": ["other"]},
        {"maxProperties": 0},
    ):
        checked = side(schema).check_request(PICTURE, NOTHING)
        assert checked.violations
        assert str(FILE_MARKER) not in str(checked.violations)


def test_coercing_beside_a_file_keeps_the_file() -> None:
    contract = side(properties(images={"type": "file"}, x={"type": "number"}, y={"type": "number"}), Mode.COERCE)
    data = {**PICTURE, "x": "1", "y": "2"}
    for text_fields in (NOTHING, frozenset({"x"}), frozenset({"x", "y"})):
        checked = contract.check_request(data, text_fields)
        assert checked == Checked({**PICTURE, "x": 1, "y": 2})
        assert checked.value["images"] is PICTURE["images"]


# What is said


@pytest.mark.parametrize(
    ("schema", "value", "violation"),
    [
        ({"type": "object"}, [1, 2], Violation("", "type", "object", "array of 2")),
        ({"type": ["object", "null"]}, True, Violation("", "type", "object or null", "true")),
        ({"required": ["a"]}, {}, Violation("/a", "required", "to be present", "nothing")),
        ({"required": ["a/b"]}, {"x": 1}, Violation("/a~1b", "required", "to be present", "nothing")),
        ({"minimum": 1}, 0, Violation("", "minimum", "minimum 1", "number 0")),
        ({"items": {"type": "number"}}, [1, None], Violation("/1", "type", "number", "null")),
        ({"enum": ["a", "b"]}, "c", Violation("", "enum", "enum ['a', 'b']", "string 'c'")),
        ({"const": {"a": 1}}, {}, Violation("", "const", "to fit const", "object with 0 keys")),
        ({"anyOf": [{"type": "null"}]}, 1, Violation("", "anyOf", "to fit anyOf", "number 1")),
        ({"maxItems": 1}, [1, 2], Violation("", "maxItems", "maxItems 1", "array of 2")),
        (
            properties(a={"items": [{}, {"type": "number"}]}),
            {"a": [1, "x"]},
            Violation("/a/1", "type", "number", "string 'x'"),
        ),
    ],
    ids=repr,
)
def test_pointer_keyword_expected_and_got(schema: object, value: object, violation: Violation) -> None:
    assert side(schema).check_response(value).violations == (violation,)


def test_every_missing_field_is_named() -> None:
    checked = side({"required": ["a", "b", "c"]}).check_response({"b": 1})
    assert said(checked) == [("/a", "required"), ("/c", "required")]


def test_long_values_are_shortened() -> None:
    [violation] = side({"type": "number"}).check_response("x" * 1_000_000).violations
    assert len(violation.got) < 100
    [violation] = side({"enum": ["y" * 1000]}).check_response("x").violations
    assert len(violation.expected) < 100


def test_the_list_ends_somewhere() -> None:
    checked = side({"items": {"type": "number"}}).check_response(["x"] * 1000)
    assert said(checked) == [(f"/{index}", "type") for index in range(20)]


def test_what_a_violation_tells_the_caller() -> None:
    [violation] = side(NUMBER).check_response({"x": "a"}).violations
    assert violation.as_json() == {"pointer": "/x", "expected": "number", "got": "string 'a'"}


# Values and schemas that bring validators to their knees


@pytest.mark.parametrize("multiple", [1, 0.5, 1e-10])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, 10**400, -(10**400)], ids=lambda v: str(v)[:5])
def test_numbers_beyond_all_bounds(value: float, multiple: float) -> None:
    """Python's JSON lets NaN, Infinity and integers of any length in; the check must come to an end."""
    contract = side(properties(x={"type": "number", "multipleOf": multiple}))
    assert len(contract.check_request({"x": value}, NOTHING).violations) <= 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_a_number(value: float) -> None:
    assert side({"type": "number"}).check_response(value).violations == ()


def deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "schema",
    [
        {"items": {"$ref": "#"}},
        {"uniqueItems": True},
        {"enum": [[], [1, 2]]},
        {"contains": {"type": "string"}},
        {"type": "array"},
        {"type": "object"},
        {"items": {"type": "string"}},
    ],
    ids=repr,
)
@pytest.mark.parametrize("depth", [50, 400, 900])
def test_values_that_nest_as_deep_as_json_lets_them(depth: int, schema: object) -> None:
    """A caller can send this, so it may be refused, and must not be anything but a violation."""
    value = [deep(depth), deep(depth)]
    side(schema).check_request(value, NOTHING)
    side({"properties": {"x": schema}}).check_request({"x": value}, NOTHING)


@pytest.mark.parametrize("keyword", ["properties", "items", "anyOf"])
def test_schemas_as_deep_as_the_dialect_lets_them(keyword: str) -> None:
    schema: dict[str, Any] = {"type": "string"}
    value: Any = 1
    for _ in range(60):
        schema = {keyword: {"a": schema} if keyword == "properties" else [schema] if keyword == "anyOf" else schema}
        value = {"a": value} if keyword == "properties" else [value] if keyword == "items" else value
    assert len(side(schema).check_response(value).violations) == 1


def test_a_recursive_schema() -> None:
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["id"]}
    assert side(schema).check_response({"id": 1, "child": {"id": 2}}).violations == ()
    assert said(side(schema).check_response({"id": 1, "child": {}})) == [("/child/id", "required")]


@pytest.mark.parametrize("name", ['a"b', "{x}", "a\nb", "'", "\\", "{", "a{variable}b", "$x", "%s", "é", "\u2028", ""])
def test_names_that_could_break_generated_code(name: str) -> None:
    assert said(side({"required": [name]}).check_response({"x": 1})) == [(f"/{name}", "required")]
    assert said(side(properties(**{name: {"type": "number"}})).check_response({name: "x"})) == [(f"/{name}", "type")]
    assert side({"enum": [name, {name: name}]}).check_response({name: name}).violations == ()
    assert side({"const": name}).check_response(name).violations == ()
    assert side({"properties": {name: {}}, "additionalProperties": False}).check_response({name: 1}).violations == ()
    assert side({"definitions": {name: {}}, "description": name, "title": name}).check_response(1).violations == ()


@pytest.mark.parametrize("pattern", ["^a{2}$", r'^"\d+"$', r"\\", "'", "^é", r"\p{L}", "(?i)a", "[{}]"])
def test_patterns(pattern: str) -> None:
    """Those that Python's regular expressions know are applied, others are refused when the schema is read."""
    config_problem: Exception | None = None
    try:
        contract = side({"pattern": pattern})
    except Exception as error:  # noqa: BLE001
        config_problem = error
    if config_problem is not None:
        assert type(config_problem).__name__ == "DialectError"
        return
    assert contract.check_response(1).violations == ()
    assert said(contract.check_response("zzz")) == [("", "pattern")]
