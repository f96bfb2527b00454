"""Class and scores in what services answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model_service.evaluation.answers import Answer, read_answer, read_pointed, resolve_pointer
from model_service.evaluation.class_names import clean, fitted, in_order, width
from model_service.evaluation.errors import EvaluationError

TEN = tuple(map(str, range(10)))


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("7", "7"),
        ("7.0", "7"),
        ('"7"', "7"),
        ('" 7 "', "7"),
        ("-1", "-1"),
        ("[7]", "7"),
        ('[["7"]]', "7"),
        ('{"predicted_label": 7}', "7"),
        ('{"predicted_label": "a cat "}', "a cat"),
        ('{"predicted_label": ["cat"]}', "cat"),
        ('{"predicted_label": "", "mnist_result": [3]}', "3"),
        ('{"mnist_result": [3]}', "3"),
        ('{"predictions": ["3"]}', "3"),
        ('{"predictions": [{"predicted_label": "cat"}]}', "cat"),
        ('[{"predicted_label": "cat"}]', "cat"),
    ],
)
def test_a_class_without_scores(answer: str, name: str) -> None:
    assert read_answer(json.loads(answer)) == Answer(name)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"scores": [["cat", "0.2"], ["dog", 0.8]]}', Answer("dog", ("cat", "dog"), (0.2, 0.8))),
        ('{"scores": [[1, 0.2], [0, "8e-1"]]}', Answer("0", ("1", "0"), (0.2, 0.8))),
        ('{"scores": [["cat", 1]]}', Answer("cat", ("cat",), (1.0,))),
        ('{"scores": [0.1, 0.9]}', Answer("1", ("0", "1"), (0.1, 0.9))),
        ('{"scores": ["0.1", "0.9"]}', Answer("1", ("0", "1"), (0.1, 0.9))),
        ('{"scores": [[0.1, 0.9]]}', Answer("1", ("0", "1"), (0.1, 0.9))),
        ('{"scores": [[0, 1]]}', Answer("1", ("0", "1"), (0.0, 1.0))),
        ('{"probabilities": [[0.1, 0.6, 0.3]]}', Answer("1", ("0", "1", "2"), (0.1, 0.6, 0.3))),
        ('{"probabilities": [0.5, 0.5]}', Answer("0", ("0", "1"), (0.5, 0.5))),
        ('{"predicted_label": "cat", "scores": [["dog", 0.8], ["cat", 0.2]]}',
         Answer("cat", ("dog", "cat"), (0.8, 0.2))),
        ('{"predictions": [[0.1, 0.9]]}', Answer("1", ("0", "1"), (0.1, 0.9))),
        ('{"predictions": [{"scores": [-3, -1.5]}]}', Answer("1", ("0", "1"), (-3.0, -1.5))),
        ("[0.1, 0.9]", Answer("1", ("0", "1"), (0.1, 0.9))),
        ("[[0.1, 0.9]]", Answer("1", ("0", "1"), (0.1, 0.9))),
        ("[0,0,0,1,0,0,0,0,0,0]", Answer("3", TEN, (0.0, 0.0, 0.0, 1.0, *[0.0] * 6))),
        ("[NaN, 0.2]", Answer(None)),
        ('{"predicted_label": "cat", "scores": [["cat", NaN]]}', Answer("cat")),
    ],
)  # fmt: skip
def test_a_class_with_scores(answer: str, expected: Answer) -> None:
    assert read_answer(json.loads(answer)) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "null", "true", "0.5", "1e400", '"cat"', '""', "[]", "{}", "[true, false]", "[0.3]", '["a", "b"]',
        '{"label": "cat"}', '{"predictions": [1, 2]}', '{"predictions": 1}', '{"probabilities": [0.93]}',
        '{"probabilities": [1]}', '{"scores": [["cat", "high"]]}', '{"scores": [["cat", 0.1], ["cat", 0.2]]}',
        '{"scores": [[true, 0.1], ["b", 0.2]]}', '{"predicted_label": 0.5}', '{"predicted_label": ["a", "b"]}',
        "[[0.1, 0.9], [0.9, 0.1]]", '{"scores": [["cat"]]}', '{"scores": {}}',
    ],
)  # fmt: skip
def test_what_is_no_class_is_not_taken_for_one(answer: str) -> None:
    assert read_answer(json.loads(answer)) is None


@pytest.mark.parametrize("depth", [10, 900])
def test_deep_lists_of_one(depth: int) -> None:
    answer: Any = 7
    for _ in range(depth):
        answer = [answer]
    assert read_answer(answer) == Answer("7")


@pytest.mark.parametrize(
    ("pointer", "name"),
    [("/label", "cat"), ("/nested/1/a~1b", "dog"), ("/~0x", "4"), ("/raw", "1"), ("/pairs", "b"), ("/", "empty key")],
)
def test_the_user_points_at_it(pointer: str, name: str) -> None:
    content = {
        "label": "cat", "nested": [0, {"a/b": "dog"}], "~x": 4, "raw": [0.1, 0.7, 0.2],
        "pairs": [["a", "1"], ["b", "2"]], "": "empty key",
    }  # fmt: skip
    found = read_pointed(resolve_pointer(content, pointer))
    assert found is not None
    assert found.name == name


def test_an_empty_pointer_is_the_whole_answer() -> None:
    assert read_pointed(resolve_pointer("cat", "")) == Answer("cat")


@pytest.mark.parametrize("pointer", ["/b", "/a/2", "/a/-1", "/a/x", "/a/0/c", "/a/" + "9" * 5000])
def test_a_pointer_to_nothing(pointer: str) -> None:
    with pytest.raises(EvaluationError, match="nothing stands at /"):
        resolve_pointer({"a": [1, 2]}, pointer)


def test_classes_are_ordered_as_people_would() -> None:
    assert in_order(["10", "b", "9", "-1", "a", "9"]) == ("-1", "9", "10", "a", "b")
    assert in_order(["9" * 5000, "1"]) == ("1", "9" * 5000)


def test_text_that_no_file_could_hold_is_cleaned() -> None:
    assert clean("a\ud800b ") == "a?b"


@pytest.mark.parametrize("name", ["x" * 200, "\u732b" * 50, "a\nb\tc" * 20, "\u732bx" * 100_000])
def test_long_names_are_cut_to_fit(name: str) -> None:
    cut = fitted(name, 20)
    assert 15 <= width(cut) <= 20
    assert "..." in cut
    assert cut[0] == name[0]
    assert cut[-1] == name[-1]
    assert "\n" not in cut


def test_short_names_stay() -> None:
    assert fitted("cat", 3) == "cat"
    assert fitted(" a\nb ", 20) == "a b"
