"""The one road of every request: check, lend, call, check."""

from __future__ import annotations

import logging
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest

from model_service.errors import (
    BadRequest,
    DeadlinePassed,
    HookFailed,
    RequestError,
    ResponseContractBroken,
    Violation,
)
from model_service.inference.contract import Mode
from model_service.inference.json_types import NotJson
from model_service.inference.pipeline import (
    Answer,
    Pipeline,
    RequestData,
    Service,
    make_contracts,
    summary,
)
from model_service.inference.pool import InstancePool
from model_service.package.config import parse_config

CONFIG = parse_config(
    {
        "apis": [
            {
                "request": {"data": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
                "response": {"data": {"type": "object", "properties": {"y": {"type": "number"}}, "required": ["y"]}},
            }
        ]
    }
)


class Calling:
    """A service whose ``inference`` is a function, and which keeps what it was given."""

    def __init__(self, answer: Callable[[Any], Any]):
        self._answer = answer
        self.seen: list[Any] = []

    def inference(self, data: Any) -> Any:
        self.seen.append(data)
        return self._answer(data)


def pipeline(
    service: Calling, request_mode: Mode = Mode.STRICT, response_mode: Mode = Mode.WARN, config: Any = CONFIG
) -> Pipeline:
    pool: InstancePool[Service] = InstancePool(lambda: service, 1)
    return Pipeline(pool, make_contracts(config, request_mode, response_mode), 0.05)


def raising(error: BaseException) -> Calling:
    def answer(_data: Any) -> Any:
        raise error

    return Calling(answer)


GOOD = Calling(lambda data: {"y": data["x"] * 2})
BAD_ANSWER = Calling(lambda data: {"y": "1.5"})


def test_data_in_answer_out() -> None:
    data = {"x": 2}
    service = Calling(lambda given: {"y": np.float32(0.5), "pair": (given["x"], "a")})
    assert pipeline(service).run(RequestData(data)) == Answer({"y": 0.5, "pair": [2, "a"]})
    assert service.seen[0] is data


@pytest.mark.parametrize("result", [{}, [], 0, "", False, None, 0.0], ids=repr)
def test_a_falsy_result_is_a_result(result: object) -> None:
    run = pipeline(Calling(lambda data: result), Mode.OFF, Mode.OFF).run(RequestData(1))
    assert run == Answer(result)
    assert type(run.value) is type(result)


# Modes


def test_a_bad_request_never_reaches_a_hook_under_strict() -> None:
    service = Calling(lambda data: {"y": 1})
    with pytest.raises(BadRequest) as caught:
        pipeline(service).run(RequestData({"x": "text"}))
    assert caught.value.status == 400
    assert caught.value.violations == (Violation("/x", "type", "number", "string 'text'"),)
    assert caught.value.detail == "the request breaks the declared contract"
    assert service.seen == []


def test_a_bad_request_is_told_about_under_warn(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "model_service")
    answer = pipeline(Calling(lambda data: {"y": 1}), Mode.WARN).run(RequestData({"x": "secret"}))
    assert answer == Answer({"y": 1}, (Violation("/x", "type", "number", "string 'secret'"),))
    assert "a request breaks the contract (1 times so far): /x type" in caplog.text
    assert "secret" not in caplog.text


def test_a_request_is_coerced_or_refused_under_coerce() -> None:
    assert pipeline(GOOD, Mode.COERCE).run(RequestData({"x": "2"})) == Answer({"y": 4})
    with pytest.raises(BadRequest):
        pipeline(GOOD, Mode.COERCE).run(RequestData({"x": "two"}))


def test_form_text_stays_text_under_strict() -> None:
    service = Calling(lambda data: {"y": float(data["x"])})
    assert pipeline(service).run(RequestData({"x": "0.5"}, frozenset({"x"}))) == Answer({"y": 0.5})
    assert service.seen == [{"x": "0.5"}]


def test_a_bad_answer_never_leaves_under_strict() -> None:
    with pytest.raises(ResponseContractBroken) as caught:
        pipeline(BAD_ANSWER, response_mode=Mode.STRICT).run(RequestData({"x": 1}))
    assert (caught.value.status, caught.value.erno, caught.value.detail) == (500, "MR.0105", None)
    assert [violation.pointer for violation in caught.value.violations] == ["/y"]


def test_a_bad_answer_is_told_about_under_warn(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "model_service")
    answer = pipeline(BAD_ANSWER).run(RequestData({"x": 1}))
    assert answer.value == {"y": "1.5"}
    assert [violation.pointer for violation in answer.violations] == ["/y"]
    assert "an answer breaks the contract (1 times so far): /y type" in caplog.text


def test_an_answer_is_coerced_or_refused_under_coerce() -> None:
    assert pipeline(BAD_ANSWER, response_mode=Mode.COERCE).run(RequestData({"x": 1})) == Answer({"y": 1.5})
    with pytest.raises(ResponseContractBroken):
        pipeline(Calling(lambda data: {"y": "text"}), response_mode=Mode.COERCE).run(RequestData({"x": 1}))


def test_off_lets_everything_pass() -> None:
    assert pipeline(BAD_ANSWER, Mode.OFF, Mode.OFF).run(RequestData([None])) == Answer({"y": "1.5"})


def test_violations_of_both_sides_under_warn() -> None:
    answer = pipeline(BAD_ANSWER, Mode.WARN, Mode.WARN).run(RequestData({}))
    assert [violation.pointer for violation in answer.violations] == ["/x", "/y"]


def test_the_answer_is_checked_as_the_json_it_becomes() -> None:
    service = Calling(lambda data: {"y": np.float16(1.5), "more": (1,)})
    assert pipeline(service, response_mode=Mode.STRICT).run(RequestData({"x": 1})).violations == ()


# Faults


@pytest.mark.parametrize(
    ("error", "status", "erno"),
    [
        (KeyError("secret"), 400, "MR.0105"),
        (TypeError("secret"), 400, "MR.0105"),
        (ValueError("secret"), 500, "MR.0105"),
        (SystemExit("secret"), 500, "MR.0105"),
        (RecursionError("secret"), 500, "MR.0105"),
        (MemoryError("secret"), 500, "MR.0105"),
    ],
    ids=repr,
)
def test_an_exception_in_a_hook(error: BaseException, status: int, erno: str) -> None:
    with pytest.raises(RequestError) as caught:
        pipeline(raising(error)).run(RequestData({"x": 1}))
    assert (caught.value.status, caught.value.erno) == (status, erno)
    assert caught.value.__cause__ is error
    assert "secret" not in str(caught.value)


def test_what_the_author_says_is_handed_on_as_it_is() -> None:
    error = BadRequest("left or right", status=422)
    with pytest.raises(BadRequest) as caught:
        pipeline(raising(error)).run(RequestData({"x": 1}))
    assert caught.value is error


def test_a_result_that_json_cannot_say() -> None:
    with pytest.raises(HookFailed) as caught:
        pipeline(Calling(lambda data: {"y": b"bytes"})).run(RequestData({"x": 1}))
    assert caught.value.status == 500
    assert isinstance(caught.value.__cause__, NotJson)
    assert "/y" in str(caught.value.__cause__)


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_the_end_of_the_process_is_not_ours_to_stop(error: type[BaseException]) -> None:
    with pytest.raises(error):
        pipeline(raising(error())).run(RequestData({"x": 1}))


def test_the_instance_is_free_again_after_every_fault() -> None:
    for service in (raising(ValueError()), Calling(lambda data: b""), raising(SystemExit())):
        road = pipeline(service)
        for _ in range(3):
            with pytest.raises(HookFailed):
                road.run(RequestData({"x": 1}))


def test_waiting_for_an_instance_has_an_end() -> None:
    inner: list[RequestError] = []

    def answer(data: Any) -> Any:
        with pytest.raises(DeadlinePassed) as caught:
            road.run(RequestData({"x": 1}))
        inner.append(caught.value)
        return {"y": 1}

    road = pipeline(Calling(answer))
    assert road.run(RequestData({"x": 1})) == Answer({"y": 1})
    assert [error.status for error in inner] == [504]


def test_hooks_own_their_arrays() -> None:
    """An ndarray can only be resized in place while nobody else refers to it."""

    class Resizing:
        def inference(self, data: Any) -> Any:
            pixels = np.array(data["x"], dtype=np.float32)
            pixels.resize((1, 784))
            return {"y": float(pixels.sum())}

    pool: InstancePool[Service] = InstancePool(Resizing, 1)
    road = Pipeline(pool, make_contracts(CONFIG, Mode.OFF, Mode.OFF), 0)
    assert road.run(RequestData({"x": [[1.0] * 20] * 20})) == Answer({"y": 400.0})


# Contracts by path


def test_contracts_by_path() -> None:
    config = parse_config(
        {
            "apis": [
                {"url": "/a", "request": {"data": {"type": "array"}}},
                {"url": "/b", "request": {"data": {"type": "object"}}},
                {"url": "/b/", "request": {"data": {"type": "string"}}},
            ]
        }
    )
    contracts = make_contracts(config, Mode.STRICT, Mode.STRICT)
    assert set(contracts) == {"/", "/a", "/b"}
    assert contracts["/"] is contracts["/a"]
    road = pipeline(Calling(lambda data: data), config=config)
    assert road.run(RequestData([1]), "/a") == Answer([1])
    assert road.run(RequestData([1])) == Answer([1])
    assert road.run(RequestData({}), "/b") == Answer({})
    with pytest.raises(BadRequest):
        road.run(RequestData([1]), "/b")


def test_an_entry_for_the_root_is_the_roots_wherever_it_stands() -> None:
    config = parse_config(
        {"apis": [{"url": "/a", "request": {"data": {"type": "array"}}}, {"request": {"data": {"type": "object"}}}]}
    )
    contracts = make_contracts(config, Mode.STRICT, Mode.STRICT)
    assert contracts["/"].request.check_request({}, frozenset()).violations == ()


def test_a_package_without_a_contract() -> None:
    config = parse_config({})
    assert pipeline(Calling(lambda data: [data]), Mode.STRICT, Mode.STRICT, config).run(RequestData("x")) == Answer(
        ["x"]
    )


# The summary for header and log


def test_the_summary_has_places_and_keywords_only() -> None:
    violations = (Violation("/x/0", "type", "number", "string 'secret'"), Violation("", "required", "a", "b"))
    assert summary(violations) == "/x/0 type; (whole) required"


def test_the_summary_is_cut() -> None:
    violations = tuple(Violation(f"/{'x' * 100}/{index}", "type", "", "") for index in range(20))
    assert len(summary(violations)) == 1000
    assert summary(violations).endswith("...")


def test_files_pass_through_untouched() -> None:
    config = parse_config({"apis": [{"request": {"data": {"properties": {"images": {"type": "file"}}}}}]})
    content = BytesIO(b"png")
    data = {"images": {"a.png": content}}
    service = Calling(lambda given: len(given["images"]["a.png"].read()))
    assert pipeline(service, config=config).run(RequestData(data)) == Answer(3)
    assert service.seen[0]["images"]["a.png"] is content
