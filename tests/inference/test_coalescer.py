"""Who is joined with whom, and who gets what; the model is a function of arrays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from model_service.errors import BackendUnavailable, HookFailed, InputRefused
from model_service.inference.coalescer import Coalescer
from model_service.tfs.dtypes import BY_NAME
from model_service.tfs.signature import Signature, TensorSpec

Array = np.ndarray[Any, Any]


def signature(
    shape: tuple[int | None, ...] | None = (None, 2), output: tuple[int | None, ...] | None = (None,)
) -> Signature:
    float32 = BY_NAME["float32"]
    return Signature("serving_default", {"x": TensorSpec("x", float32, shape)}, {"y": TensorSpec("y", float32, output)})


class Model:
    """Sums each row; remembers the shapes it was given."""

    def __init__(self, answer: Callable[[Array], Array] = lambda x: x.reshape(len(x), -1).sum(axis=1)):
        self.shapes: list[tuple[int, ...]] = []
        self._answer = answer

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Array]:
        x = np.asarray(inputs["x"])
        self.shapes.append(x.shape)
        return {"y": self._answer(x)}


def coalescer(model: Model, sent: Signature | None = None, **options: int) -> Coalescer:
    return Coalescer(lambda: sent or signature(), model, **options)


def predicting(joined: Coalescer, *rows: list[list[float]]) -> Callable[[], list[list[float]]]:
    """A request that makes a Predict for each of ``rows``, one after another."""
    return lambda: [joined.predict({"x": row})["y"].tolist() for row in rows]


def test_predicts_are_joined_in_the_order_of_the_requests() -> None:
    model = Model()
    joined = coalescer(model)
    requests = [predicting(joined, [[number, 1.0]]) for number in range(5)]
    assert joined.run_joined(requests) == [[[number + 1.0]] for number in range(5)]
    assert model.shapes == [(5, 2)]


def test_each_request_gets_its_own_rows() -> None:
    model = Model()
    joined = coalescer(model)
    requests = [predicting(joined, [[row, 0.0] for row in range(count)]) for count in (1, 3, 2)]
    assert joined.run_joined(requests) == [[[0.0]], [[0.0, 1.0, 2.0]], [[0.0, 1.0]]]
    assert model.shapes == [(6, 2)]


def test_the_second_predicts_of_some_are_joined_with_each_other() -> None:
    model = Model()
    joined = coalescer(model)
    requests = [
        predicting(joined, [[1.0, 0.0]]),
        predicting(joined, [[2.0, 0.0]], [[3.0, 0.0]]),
        predicting(joined),
        predicting(joined, [[4.0, 0.0]], [[5.0, 0.0]]),
    ]
    assert joined.run_joined(requests) == [[[1.0]], [[2.0], [3.0]], [], [[4.0], [5.0]]]
    assert model.shapes == [(3, 2), (2, 2)]


def test_rows_of_different_shapes_make_calls_of_their_own() -> None:
    model = Model()
    joined = coalescer(model, signature((None, None)))
    requests = [predicting(joined, [[1.0] * width]) for width in (2, 3, 2, 3, 3)]
    assert joined.run_joined(requests) == [[[width]] for width in (2.0, 3.0, 2.0, 3.0, 3.0)]
    assert model.shapes == [(2, 2), (3, 3)]


def test_a_joined_call_stays_below_the_largest_size() -> None:
    model = Model()
    joined = coalescer(model, max_request_bytes=3 * 2 * 4)
    joined.run_joined([predicting(joined, [[1.0, 1.0]]) for _ in range(8)])
    assert model.shapes == [(3, 2), (3, 2), (2, 2)]


def test_inputs_that_do_not_fit_are_the_fault_of_their_request_alone() -> None:
    model = Model()
    joined = coalescer(model)

    def refused() -> str:
        with pytest.raises(InputRefused, match="'x'"):
            joined.predict({"x": "text"})
        with pytest.raises(InputRefused, match="takes: x"):
            joined.predict({"z": 1})
        return "refused"

    good = predicting(joined, [[1.0, 2.0]])
    assert joined.run_joined([good, refused, good]) == [[[3.0]], "refused", [[3.0]]]
    assert model.shapes == [(2, 2)]


def test_a_row_that_the_model_refuses_is_found() -> None:
    def picky(x: Array) -> Array:
        if (x < 0).any():
            raise HookFailed()
        return np.asarray(x.sum(axis=1))

    model = Model(picky)
    joined = coalescer(model)

    def guarded(number: float) -> Callable[[], object]:
        def request() -> object:
            try:
                return joined.predict({"x": [[number, 0.0]]})["y"].tolist()
            except HookFailed:
                return "refused"

        return request

    assert joined.run_joined([guarded(1), guarded(-1), guarded(2)]) == [[1.0], "refused", [2.0]]
    assert model.shapes == [(3, 2), (1, 2), (1, 2), (1, 2)]


def test_a_server_that_is_away_is_not_asked_again_for_each() -> None:
    def away(x: Array) -> Array:
        raise BackendUnavailable("away")

    model = Model(away)
    joined = coalescer(model)
    seen = []

    def request() -> None:
        with pytest.raises(BackendUnavailable):
            joined.predict({"x": [[1.0, 1.0]]})
        seen.append(True)

    joined.run_joined([request, request, request])
    assert (len(seen), model.shapes) == (3, [(3, 2)])


@pytest.mark.parametrize(
    "sent",
    [signature(output=(None, 3)), signature(output=None)],
    ids=["declared", "unknown"],
)
def test_outputs_without_a_row_for_each_are_not_divided(sent: Signature) -> None:
    model = Model(lambda x: x.sum(keepdims=True).reshape(1))
    joined = coalescer(model, sent)
    requests = [predicting(joined, [[number, 0.0], [1.0, 1.0]]) for number in range(3)]
    assert joined.run_joined(requests) == [[[2.0 + number]] for number in range(3)]
    assert model.shapes == [(6, 2), (2, 2), (2, 2), (2, 2)]
    joined.run_joined(requests)
    assert model.shapes[4:] == [(2, 2)] * 3  # it is not tried again


@pytest.mark.parametrize("shape", [(1, 2), (), None], ids=["one row", "no axis", "any rank"])
def test_inputs_without_an_open_first_axis_are_sent_alone(shape: tuple[int, ...] | None) -> None:
    model = Model(lambda x: np.asarray([x.sum()]))
    joined = coalescer(model, signature(shape))
    value = [[1.0, 2.0]] if shape != () else 3.0
    requests = [lambda: joined.predict({"x": value})["y"].tolist() for _ in range(3)]
    assert joined.run_joined(requests) == [[3.0]] * 3
    assert len(model.shapes) == 3


def test_text_is_joined_whole() -> None:
    text = BY_NAME["string"]
    sent = Signature("s", {"x": TensorSpec("x", text, (None,))}, {"y": TensorSpec("y", text, (None,))})
    seen: list[Array] = []

    def echo(inputs: Mapping[str, Any]) -> dict[str, Array]:
        seen.append(inputs["x"])
        return {"y": inputs["x"]}

    joined = Coalescer(lambda: sent, echo)
    values = [np.array(["a"]), ["longer text", b"bytes\0"], np.array([b"b"], dtype=object)]
    requests = [lambda value=value: joined.predict({"x": value})["y"].tolist() for value in values]
    assert joined.run_joined(requests) == [["a"], ["longer text", b"bytes\0"], [b"b"]]
    assert len(seen) == 1


def test_who_is_no_member_is_sent_at_once() -> None:
    model = Model()
    joined = coalescer(model)
    assert joined.predict({"x": [[1.0, 1.0]]})["y"].tolist() == [2.0]

    def request() -> float:
        answers: list[float] = []
        helper = threading.Thread(target=lambda: answers.append(joined.predict({"x": [[4.0, 1.0]]})["y"].tolist()[0]))
        helper.start()  # a thread that an author's hook starts
        helper.join()
        return answers[0] + float(joined.predict({"x": [[1.0, 1.0]]})["y"][0])

    assert joined.run_joined([request, request]) == [7.0, 7.0]
    assert model.shapes == [(1, 2), (1, 2), (1, 2), (2, 2)]


def test_a_request_is_taken_when_the_one_before_it_waits() -> None:
    """So files are read one after another, not all at once."""
    joined = coalescer(Model())
    events: list[str] = []

    def requests() -> Any:
        for number in range(3):
            events.append(f"take {number}")

            def request(number: int = number) -> None:
                events.append(f"run {number}")
                joined.predict({"x": [[1.0, 1.0]]})
                events.append(f"end {number}")

            yield request

    joined.run_joined(requests())
    assert events == ["take 0", "run 0", "take 1", "run 1", "take 2", "run 2", "end 0", "end 1", "end 2"]


def test_what_a_request_raises_ends_all() -> None:
    joined = coalescer(Model())

    def bad() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        joined.run_joined([lambda: joined.predict({"x": [[1.0, 1.0]]}), bad])


def test_threads_join_what_is_theirs() -> None:
    model = Model()
    joined = coalescer(model)
    results: dict[int, list[list[list[float]]]] = {}

    def work(number: int) -> None:
        results[number] = joined.run_joined([predicting(joined, [[number, row]]) for row in range(20)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert results == {number: [[[float(number + row)]] for row in range(20)] for number in range(4)}
    assert model.shapes == [(20, 2)] * 4
