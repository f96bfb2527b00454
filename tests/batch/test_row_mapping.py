"""From CSV rows to requests, by the platform's mapping rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_service.batch.row_mapping import RowMapping, read_rule
from model_service.errors import BadRequest, SettingsError


def leaf(kind: str = "number", **more: object) -> dict[str, object]:
    return {"type": kind, **more}


def rule_of(**leaves: object) -> dict[str, Any]:
    """The shape of the platform's own example: ``data.req_data[0]`` with a key per leaf."""
    each = {"type": "object", "properties": leaves}
    rows = {"type": "array", "items": [each]}
    return {
        "type": "object",
        "properties": {"data": {"type": "object", "properties": {"req_data": rows}}},
    }


def mapped(rule: Any, *row: str) -> Any:
    return RowMapping(rule).request(row)


def inner(request: Any) -> Any:
    (row,) = request["data"]["req_data"]
    return row


IRIS = ("5.1", "3.5", "1.4", "0.2")


def test_columns_in_the_order_of_the_leaves() -> None:
    rule = rule_of(**{f"input_{number}": leaf() for number in (1, 2, 3, 4)})
    expected = {"input_1": 5.1, "input_2": 3.5, "input_3": 1.4, "input_4": 0.2}
    assert mapped(rule, *IRIS) == {"data": {"req_data": [expected]}}


def test_columns_by_index_in_any_order_and_more_than_once() -> None:
    rule = rule_of(a=leaf(index=3), b=leaf(index=0), c=leaf(index=0))
    assert inner(mapped(rule, *IRIS)) == {"a": 0.2, "b": 5.1, "c": 5.1}


@pytest.mark.parametrize("index", [-1, -7, None, "1", 1.5, True, [1]])
def test_an_index_that_is_none_leaves_the_parameter_out(index: object) -> None:
    assert inner(mapped(rule_of(a=leaf(index=1), b=leaf(index=index)), *IRIS)) == {"a": 3.5}


def test_a_leaf_without_index_among_others_is_left_out() -> None:
    assert inner(mapped(rule_of(a=leaf(), b=leaf(index=1)), *IRIS)) == {"b": 3.5}


def test_an_array_all_of_whose_leaves_are_left_out_is_empty() -> None:
    rule = {"properties": {"a": leaf(index=0), "b": {"items": leaf(index=-1)}, "c": {"properties": {"d": leaf()}}}}
    assert mapped(rule, "1") == {"a": 1, "b": [], "c": {}}


@pytest.mark.parametrize("items", [leaf(), [leaf()]])
def test_an_array_gets_one_element(items: object) -> None:
    assert mapped({"type": "array", "items": items}, "7") == [7]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("number", "1", 1),
        ("number", " -1.50 ", -1.5),
        ("number", "+.5e-3", 0.0005),
        ("number", "1E3", 1000.0),
        ("number", "007", 7),
        ("number", "5.", 5.0),
        ("number", "123456789012345678901234567890", 123456789012345678901234567890),
        ("integer", "3", 3),
        ("integer", "3.5", 3.5),
        ("boolean", "true", True),
        ("boolean", " FALSE ", False),
        ("boolean", "1", "1"),
        ("string", " 1.50 ", " 1.50 "),
        ("string", "", ""),
        (None, "1", "1"),
    ],
)
def test_texts_become_what_the_leaf_says(kind: str | None, text: str, value: object) -> None:
    got = mapped({"properties": {"a": {"type": kind}}}, text)["a"]
    assert (got, type(got)) == (value, type(value))


@pytest.mark.parametrize("text", ["", "one", "1_000", "nan", "inf", "1e999", "1,5", "0x10", "١٢", "9" * 5000, "1 2"])
def test_what_is_no_number_stays_text_for_the_contract_to_refuse(text: str) -> None:
    assert mapped({"properties": {"a": leaf()}}, text) == {"a": text}
    assert mapped(None, text) == [text]


def test_without_a_rule_a_row_is_a_list() -> None:
    assert mapped(None, "1", " 2.5 ", "x", "") == [1, 2.5, "x", ""]


def test_a_row_with_too_few_columns() -> None:
    mapping = RowMapping(rule_of(a=leaf(index=1), b=leaf(index=3)))
    assert inner(mapping.request([*IRIS, "too", "many"])) == {"a": 3.5, "b": 0.2}
    with pytest.raises(BadRequest, match="the row has 3 columns, and the mapping rule asks for index 3"):
        mapping.request(IRIS[:3])


def nested(depth: int) -> dict[str, Any]:
    rule: dict[str, Any] = leaf()
    for _ in range(depth):
        rule = {"items": rule}
    return rule


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "^the mapping rule has no leaf"),
        (leaf(index=0), "^the mapping rule has no leaf"),
        ({"type": "object"}, "^the mapping rule has no leaf"),
        ({"properties": {}}, "^the mapping rule has no leaf"),
        ({"properties": []}, "at /properties: must be an object"),
        ({"properties": {"a/b": 1}}, "at /properties/a~1b: must be an object"),
        ({"items": []}, "at /items: must have one schema, not 0"),
        ({"items": [leaf(), leaf()]}, "at /items: must have one schema, not 2"),
        ({"properties": {"x": leaf("file")}}, "at /properties/x: a column of a CSV row cannot become a file"),
        (rule_of(a=leaf(index=-1), b=leaf(index="0")), "uses no column: no index is a whole number from 0 on"),
        (nested(5000), "nests too deeply"),
    ],
)
def test_rules_that_cannot_be_used(rule: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        RowMapping(rule)


def test_a_rule_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    path.write_text("\ufeff" + json.dumps(rule_of(a=leaf(index=2))))
    assert inner(mapped(read_rule(path), *IRIS)) == {"a": 1.4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON: "),
        (b"\xff", "not JSON: "),
        (b"[" * 100_000, "not JSON: "),
        (b"[1]", "must be a JSON object: the request schema with an index at each leaf"),
        (None, "cannot be read: No such file or directory"),
    ],
    ids=["cut off", "no UTF-8", "too deep", "a list", "absent"],
)
def test_a_rule_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "rule.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"--mapping {path}: {message}"):
        read_rule(path)
