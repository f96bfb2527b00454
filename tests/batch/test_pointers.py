"""Parts of answers by JSON pointer."""

from __future__ import annotations

from typing import Any

import pytest

from model_service.batch.pointers import at_pointer, check_pointer
from model_service.errors import ModelServiceError, SettingsError

# The document and the pointers of RFC 6901, section 5.
RFC_DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
RFC_POINTERS = {
    "": RFC_DOCUMENT,
    "/foo": ["bar", "baz"],
    "/foo/0": "bar",
    "/": 0,
    "/a~1b": 1,
    "/c%d": 2,
    "/e^f": 3,
    "/g|h": 4,
    "/i\\j": 5,
    '/k"l': 6,
    "/ ": 7,
    "/m~0n": 8,
}


@pytest.mark.parametrize("pointer", RFC_POINTERS)
def test_the_pointers_of_the_standard(pointer: str) -> None:
    assert at_pointer(RFC_DOCUMENT, check_pointer(pointer)) == RFC_POINTERS[pointer]


def test_escapes_are_undone_once() -> None:
    assert at_pointer({"~1": 1, "/": 2}, "/~01") == 1
    assert at_pointer({"~1": 1, "/": 2}, "/~1") == 2


def test_values_that_count_for_nothing_elsewhere_are_found() -> None:
    assert at_pointer({"a": [None, 0, "", []]}, "/a/0") is None
    assert at_pointer({"a": [None, 0, "", []]}, "/a/3") == []


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("/x", "/x"),
        ("/foo/2", "/foo/2"),
        ("/foo/-1", "/foo/-1"),
        ("/foo/-", "/foo/-"),
        ("/foo/01", "/foo/01"),
        ("/foo/1_0", "/foo/1_0"),
        ("/foo/\u0661", "/foo/\u0661"),
        ("/foo/99999999999999999999999", "/foo/99999999999999999999999"),
        ("/foo/0/0/1", "/foo/0/0"),
        ("//a", "//a"),
    ],
)
def test_a_part_that_is_not_there(pointer: str, place: str) -> None:
    with pytest.raises(ModelServiceError) as caught:
        at_pointer(RFC_DOCUMENT, pointer)
    assert str(caught.value) == f"the answer has nothing at {place} (--select {pointer})"


@pytest.mark.parametrize(
    ("pointer", "message"),
    [
        ("scores", "--select scores: a JSON pointer begins with a slash"),
        ("#/scores", "a JSON pointer begins with a slash"),
        ("/a~b", "a ~ is written ~0"),
        ("/a~", "a ~ is written ~0"),
    ],
)
def test_what_is_no_pointer(pointer: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_pointer(pointer)
