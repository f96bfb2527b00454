"""Which label belongs to which prediction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model_service.evaluation.errors import EvaluationError
from model_service.evaluation.joining import BY_ORDER, BY_SOURCE, FAILED, Comparison, join
from model_service.evaluation.labels import Labels
from model_service.evaluation.predictions import Predictions

P, L = Path("p.jsonl"), Path("l.csv")


def joined(
    predicted: Sequence[str | None], true: Sequence[str], sources: Sequence[str] = (), label_sources: Sequence[str] = ()
) -> Comparison:
    predictions = Predictions(P, tuple(predicted), tuple(sources) or None)
    return join(predictions, Labels(L, tuple(true), tuple(label_sources) or None))


def true_names(comparison: Comparison) -> list[str]:
    return [comparison.classes[position] for position in comparison.truth]


def error(*args: Sequence[str], **more: Sequence[str]) -> str:
    with pytest.raises(EvaluationError) as caught:
        joined(*args, **more)
    return str(caught.value)


def test_by_order() -> None:
    comparison = joined(["10", None, "cat"], ["9", "9", "cat"])
    assert comparison.classes == ("9", "10", "cat")
    np.testing.assert_array_equal(comparison.truth, [0, 0, 2])
    np.testing.assert_array_equal(comparison.predicted, [1, FAILED, 2])
    np.testing.assert_array_equal(comparison.wrong_answers, [0])
    assert (comparison.joined_by, comparison.sources) == (BY_ORDER, None)


@pytest.mark.parametrize(("sources", "label_sources"), [((), ("x", "y")), (("x", "y"), ())])
def test_by_order_if_one_side_names_no_sources(sources: Sequence[str], label_sources: Sequence[str]) -> None:
    comparison = joined(["1", "2"], ["1", "3"], sources, label_sources)
    assert true_names(comparison) == ["1", "3"]
    assert (comparison.joined_by, comparison.sources) == (BY_ORDER, ("x", "y"))


@pytest.mark.parametrize(
    ("sources", "label_sources"),
    [
        (["a/1.jpg", "b/1.jpg"], ["b/1.jpg", "a/1.jpg"]),
        (["x/1.jpg", "x/2.jpg"], ["s3://bucket/2.jpg", "s3://bucket/1.jpg"]),
        (["cat/1.jpg", "dog/1.jpg"], ["obs://bucket/data/dog/1.jpg", "obs://bucket/data/cat/1.jpg"]),
        (["s3://bucket/data/cat/1.jpg", "/bucket/dog/1.jpg"], ["./dog/1.jpg", "cat/1.jpg"]),
        (["1.jpg", "b/1.jpg"], ["b/1.jpg", "1.jpg"]),
    ],
)
def test_by_source(sources: Sequence[str], label_sources: Sequence[str]) -> None:
    comparison = joined(["cat", "dog"], ["dog", "cat"], sources, label_sources)
    assert true_names(comparison) == ["cat", "dog"]
    assert comparison.joined_by == BY_SOURCE
    assert comparison.sources == tuple(sources)


def test_a_source_that_stands_twice_on_both_sides() -> None:
    comparison = joined(["a", "b", "c"], ["a", "c", "a"], ["1", "1", "2"], ["1", "2", "1"])
    assert true_names(comparison) == ["a", "a", "c"]


def test_different_counts() -> None:
    assert error(["1", "2", "3"], ["1", "2"]) == (
        "p.jsonl holds 3 predictions but l.csv holds 2 labels. Both must be of the same items."
    )


@pytest.mark.parametrize(
    ("sources", "label_sources", "message"),
    [
        (["1.jpg", "2.jpg"], ["1.jpg", "3.jpg"], "l.csv: has no label for 2.jpg"),
        (["x/1.jpg", "2.jpg"], ["a/1.jpg", "b/1.jpg"], "l.csv: x/1.jpg may be any of 2 sources: a/1.jpg, b/1.jpg. Let"),
        (["a/1.jpg", "b/1.jpg"], ["1.jpg", "2.jpg"], "l.csv: 1.jpg is the label for both a/1.jpg and b/1.jpg"),
        (["1.jpg", "1.jpg"], ["1.jpg", "1.jpg"], "l.csv: 1.jpg stands there twice, as cat and as dog"),
        (["1.jpg", "//"], ["1.jpg", "2.jpg"], "l.csv: has no label for //"),
    ],
)
def test_sources_that_do_not_match(sources: Sequence[str], label_sources: Sequence[str], message: str) -> None:
    assert error(["cat", "dog"], ["cat", "dog"], sources, label_sources).startswith(message)


def test_numbers_against_names() -> None:
    assert error(["0", "1"], ["cat", "dog"]) == (
        'no prediction can match a label: p.jsonl says ["0", "1"], l.csv says ["cat", "dog"]. '
        "Give both as numbers or both as names."
    )
    assert error(["cat"], ["0"]).startswith("no prediction can match a label")


@pytest.mark.parametrize(
    ("predicted", "true"), [(["1"], ["7"]), (["cat"], ["dog"]), ([None], ["dog"]), (["1", "x"], ["2", "y"])]
)
def test_all_wrong_is_still_a_comparison(predicted: Sequence[str | None], true: Sequence[str]) -> None:
    assert not (joined(predicted, true).truth == joined(predicted, true).predicted).any()


def test_many_equal_base_names_take_about_as_long_as_whole_names() -> None:
    names = ["c"] * 20_000
    sources = [f"{number}/image.jpg" for number in range(20_000)]

    def seconds(label_sources: Sequence[str]) -> float:
        start = time.perf_counter()
        joined(names, names, sources, label_sources)
        return time.perf_counter() - start

    whole = max(seconds(sources) for _ in range(3))
    assert seconds([f"s3://bucket/{source}" for source in sources]) < 100 * whole
