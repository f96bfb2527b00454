"""Where two answers differ."""

from __future__ import annotations

from typing import Any

import pytest

from model_packaging.check.running.comparison import differences

NAN = float("nan")


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({"a": [1.0, "x"]}, {"a": [1.000001, "x"]}),
        (1, 1.0),
        (NAN, NAN),
        ({"latency_time": "1 ms", "a": None}, {"latency_time": "2 ms", "a": None}),
    ],
)
def test_equal(was: Any, now: Any) -> None:
    assert differences(was, now) == []


@pytest.mark.parametrize(
    ("was", "now", "told", "is_structural"),
    [
        ({"a": [1.0]}, {"a": [1.001]}, "/a/0: was 1.0, is 1.001", False),
        ({"a": "x"}, {"a": "y"}, "/a: was 'x', is 'y'", False),
        ({"a/b": 1}, {}, "/a~1b: was 1, is nothing", True),
        ([1], [1, 2], "(whole): was an array of 1, is an array of 2", True),
        (1, True, "(whole): was 1, is True", True),
        (0.5, NAN, "(whole): was 0.5, is nan", False),
        ({"a": {}}, {"a": []}, "/a: was {}, is []", True),
    ],
)
def test_different(was: Any, now: Any, told: str, is_structural: bool) -> None:
    (found,) = differences(was, now)
    assert (str(found), found.is_structural) == (told, is_structural)
