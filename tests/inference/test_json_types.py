"""Whatever hooks return, as JSON's types, and as bytes."""

from __future__ import annotations

import datetime
import enum
import json
import math
from collections import OrderedDict, defaultdict, namedtuple
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from model_service.inference.json_types import NotJson, encode_json, to_json_value

Pair = namedtuple("Pair", "label score")


class Color(enum.IntEnum):
    RED = 1


class Name(str, enum.Enum):
    CAT = "cat"


class Text(str):
    pass


def same(found: Any, expected: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(found) is not type(expected):
        return False
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)


@pytest.mark.parametrize(
    "value",
    [None, True, False, 0, -1, 2**80, 0.5, "", "é", [], {}, [None, [1, "a"]], {"a": {"b": [True]}}, [{}]],
    ids=repr,
)
def test_jsons_own_types_stay_as_they_are(value: object) -> None:
    assert same(to_json_value(value), value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, "a"), [1, "a"]),
        ([(), ((1,),)], [[], [[1]]]),
        (Pair("cat", 0.5), ["cat", 0.5]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (defaultdict(int, a=1), {"a": 1}),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int64(7), 7),
        (np.uint8(255), 255),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array(3), 3),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([]), []),
        (np.zeros((0, 3)), []),
        (np.array([True, False]), [True, False]),
        (np.array(["a", "bc"]), ["a", "bc"]),
        (np.array([1, "a", None], dtype=object), [1, "a", None]),
        (np.array([0.5], dtype=np.longdouble), [0.5]),
        ([np.float32(1), 2, np.array([3])], [1.0, 2, [3]]),
        ({"a": np.int8(1)}, {"a": 1}),
        ({np.str_("a"): 1, np.int64(2): 3}, {"a": 1, "2": 3}),
    ],
    ids=lambda part: repr(part)[:50],
)
def test_tuples_and_numpy_values(value: object, expected: object) -> None:
    assert same(to_json_value(value), expected)


@pytest.mark.parametrize("value", [Color.RED, Name.CAT, Text("a"), {Text("k"): Color.RED}, {Color.RED: 1}], ids=repr)
def test_subclasses_of_jsons_types_encode_as_json_encodes_them(value: object) -> None:
    assert json.loads(encode_json(to_json_value(value))) == json.loads(json.dumps(value))


@pytest.mark.parametrize("key", ["a", 1, 0.5, True, False, None, float("nan"), 2**70], ids=repr)
def test_keys_are_spelled_as_json_spells_them(key: object) -> None:
    assert list(to_json_value({key: 1})) == list(json.loads(json.dumps({key: 1})))


@pytest.mark.parametrize(
    ("value", "place", "kind"),
    [
        (b"x", "its top level", "bytes"),
        ({"a": [0, b"x"]}, "/a/1", "bytes"),
        ({"a/b": {1}}, "/a~1b", "set"),
        ([np.bytes_(b"x")], "/0", "bytes"),
        (np.array([b"x"]), "/0", "bytes"),
        ([1j], "/0", "complex"),
        (np.complex64(1j), "its top level", "complex"),
        ([[object()]], "/0/0", "object"),
        ((Decimal(1),), "/0", "Decimal"),
        ([datetime.date(2020, 1, 1)], "/0", "date"),
        (np.array([(1, 2)], dtype="i4,i4")[0], "its top level", "void"),
        ({"f": len}, "/f", "builtin_function_or_method"),
        ([BytesIO(b"")], "/0", "BytesIO"),
        (range(3), "its top level", "range"),
        ({1: {2: b""}}, "/1/2", "bytes"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_json_cannot_say_is_named_with_its_place(value: object, place: str, kind: str) -> None:
    with pytest.raises(NotJson) as caught:
        to_json_value(value)
    assert f" of type {kind} at {place}, which JSON cannot say" in str(caught.value)


def test_bytes_come_with_advice() -> None:
    with pytest.raises(NotJson, match=r"decode it, for example with value\.decode\(\)"):
        to_json_value({"text": b"x"})


@pytest.mark.parametrize("key", [(1, 2), b"a", frozenset(), object()], ids=["tuple", "bytes", "frozenset", "object"])
def test_keys_that_are_no_json_keys(key: object) -> None:
    with pytest.raises(NotJson, match=f"a key of type {type(key).__name__} at /a"):
        to_json_value({"a": {key: 1}})


def test_a_value_that_contains_itself() -> None:
    itself: list[Any] = []
    itself.append(itself)
    twin: dict[str, Any] = {}
    twin["twin"] = [twin]
    for value in (itself, twin):
        with pytest.raises(NotJson, match="contains itself"):
            to_json_value(value)


def test_the_same_list_twice_is_no_cycle() -> None:
    shared = [1]
    assert to_json_value([shared, shared]) == [[1], [1]]


def test_the_result_is_not_changed() -> None:
    value = {"a": (1, np.int64(2)), 3: [np.float32(4)]}
    to_json_value(value)
    assert value["a"] == (1, np.int64(2))
    assert isinstance(value["a"], tuple)
    assert isinstance(value[3][0], np.float32)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ({"b": 1, "a": "é"}, '{"b": 1, "a": "é"}'),
        ([math.nan, math.inf, -math.inf], "[NaN, Infinity, -Infinity]"),
        (np.array([np.nan], dtype=np.float32), "[NaN]"),
        (np.float32(0.1), "0.10000000149011612"),
        ("名\u2028\n", '"名\u2028\\n"'),
        (0, "0"),
        ("", '""'),
        (False, "false"),
        (None, "null"),
        ([], "[]"),
    ],
    ids=repr,
)
def test_bytes_as_the_original_runtime_wrote_them(value: object, encoded: str) -> None:
    assert encode_json(to_json_value(value)) == encoded.encode()


def test_text_that_is_no_unicode() -> None:
    with pytest.raises(NotJson, match="lone surrogate"):
        encode_json(["\ud800"])


def test_an_integer_longer_than_python_prints() -> None:
    with pytest.raises(NotJson):
        encode_json(to_json_value({"n": 10**5000}))


def test_a_result_that_nests_deeply_is_encoded_or_refused() -> None:
    for depth in (100, 300, 450, 700, 990):
        value: Any = 1
        for _ in range(depth):
            value = [value]
        try:
            assert json.loads(encode_json(to_json_value(value))) == value
        except NotJson:
            assert depth > 300
