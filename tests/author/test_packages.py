"""Whole packages through the pipeline, in this process: config.json, customize_service.py, a pool, the contract."""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_service.author.loader import choose_service_class
from model_service.author.tfserving import TfServingBaseService
from model_service.errors import (
    BadRequest,
    HookFailed,
    RequestError,
    ResponseContractBroken,
)
from model_service.inference.contract import Mode
from model_service.inference.pipeline import (
    Pipeline,
    RequestData,
    Service,
    make_contracts,
)
from model_service.inference.pool import InstancePool
from model_service.package.config import read_config
from tests.author.conftest import BindModel
from tests.conftest import MakePackage
from tests.models import digits_scores

Run = Callable[..., Any]


@pytest.fixture
def run(make_package: MakePackage, load: Callable[[Path], ModuleType]) -> Callable[..., Run]:
    """``run(name, response_mode)`` is the package's pipeline as a function of the data."""

    def start(name: str, response_mode: Mode = Mode.STRICT) -> Run:
        package = make_package(name)
        module = load(package)
        service_class = choose_service_class(module, TfServingBaseService)
        pool: InstancePool[Service] = InstancePool(lambda: service_class("serve", str(Path.cwd() / "model" / "1")), 1)
        contracts = make_contracts(read_config(package / "model" / "config.json"), Mode.STRICT, response_mode)
        pipeline = Pipeline(pool, contracts, 1)
        return lambda data: pipeline.run(RequestData(data))

    return start


@pytest.fixture
def digit_server(bind_model: BindModel) -> None:
    bind_model(lambda inputs: {"scores": digits_scores(inputs["images"])}, {"images": "float32"}, {"scores": "float32"})


def digit(size: tuple[int, int] = (28, 28)) -> tuple[BytesIO, np.ndarray[Any, np.dtype[np.float32]]]:
    """A PNG, and its pixels as the digits package sends them."""
    pixels = np.random.default_rng(7).integers(0, 256, size, dtype=np.uint8)
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    content.seek(0)
    flat = np.zeros(784, dtype=np.float32)
    flat[: min(784, pixels.size)] = pixels.ravel()[:784]
    return content, flat.reshape(1, 784)


@pytest.mark.usefixtures("digit_server")
@pytest.mark.parametrize("size", [(28, 28), (20, 20), (32, 32)], ids=str)
def test_digits(size: tuple[int, int], run: Callable[..., Run]) -> None:
    """Pictures of another size are cut or padded by the package's own in-place resize."""
    content, pixels = digit(size)
    answer = run("digits")({"images": {"digit.png": content}})
    scores = digits_scores(pixels)[0]
    best = np.argsort(-scores, kind="stable")[:5]
    assert answer.violations == ()
    assert answer.value["predicted_label"] == str(best[0])
    assert [label for label, _ in answer.value["scores"]] == [str(label) for label in best]
    assert [score for _, score in answer.value["scores"]] == pytest.approx(scores[best])


@pytest.mark.usefixtures("digit_server")
def test_several_files_in_one_field_the_last_wins(run: Callable[..., Run]) -> None:
    content, pixels = digit()
    blank = BytesIO()
    Image.new("L", (28, 28)).save(blank, "PNG")
    answer = run("digits")({"images": {"blank.png": blank, "digit.png": content}})
    assert answer.value["scores"][0][1] == pytest.approx(digits_scores(pixels).max())


@pytest.mark.usefixtures("digit_server")
@pytest.mark.parametrize(
    "data", [{}, {"image": {"a": BytesIO()}}, {"images": "text"}, [1]], ids=["nothing", "other field", "text", "array"]
)
def test_digits_holds_requests_against_its_contract(data: object, run: Callable[..., Run]) -> None:
    with pytest.raises(BadRequest):
        run("digits")(data)


@pytest.mark.usefixtures("digit_server")
def test_digits_with_what_is_no_picture(run: Callable[..., Run]) -> None:
    with pytest.raises(BadRequest, match="no known image format"):
        run("digits")({"images": {"a.txt": BytesIO(b"text")}})


@pytest.mark.usefixtures("digit_server")
def test_scores_as_text_are_reported_refused_or_coerced(run: Callable[..., Run]) -> None:
    answer = run("string_scores", Mode.WARN)({"images": {"a": digit()[0]}})
    assert all(isinstance(score, str) for _, score in answer.value["scores"])
    assert [violation.pointer for violation in answer.violations] == [f"/scores/{index}/1" for index in range(5)]
    with pytest.raises(ResponseContractBroken):
        run_again(run, Mode.STRICT)
    assert all(isinstance(score, float) for _, score in run_again(run, Mode.COERCE).value["scores"])


def run_again(run: Callable[..., Run], mode: Mode) -> Any:
    import os
    import shutil

    run_folder = Path.cwd()
    os.chdir(run_folder.parent)
    shutil.rmtree(run_folder)
    return run("string_scores", mode)({"images": {"a": digit()[0]}})


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("own_inference", {"numbers": [1, 2, 6]}, {"mean": 3.0}),
        ("no_super_init", {"name": "b"}, {"value": 2}),
        ("echo", {"a": [1, {"b": None}]}, {"data": {"a": [1, {"b": None}]}}),
        ("echo", [1], {"data": [1]}),
        ("echo", "text", {"data": "text"}),
        ("odd_config", {"numbers": [1]}, {"data": {"numbers": [1]}}),
        ("odd_config", {"images": {"a": BytesIO(b"abc")}}, {"data": {"images": {"a": 3}}}),
        ("broken_config", [1], {"data": [1]}),
        ("shadowing", {}, {"log": "package", "utils": "package"}),
        ("uses_global", {"seconds": 0}, {"most": 1}),
        ("sleeps", {"seconds": 0}, {"slept": 0}),
        (
            "numpy_result",
            {},
            {"label": 7, "score": 0.5, "flag": True, "box": [[1, 2], [3, 4]], "pair": ["a", 1.5]},
        ),
    ],
    ids=lambda part: str(part)[:20],
)
def test_an_answer_that_keeps_the_contract(name: str, data: object, expected: object, run: Callable[..., Run]) -> None:
    answer = run(name)(data)
    assert answer.value == expected
    assert answer.violations == ()


def test_an_instance_lives_between_requests(run: Callable[..., Run]) -> None:
    package = run("thread_safe")
    assert package({}).value["instance"] == package({}).value["instance"]


def test_an_own_model_object(bind_model: BindModel, run: Callable[..., Run]) -> None:
    bound = bind_model(lambda inputs: {"y": -inputs["x"]})
    assert run("own_model_object")({"x": [1, 2]}).value == {"y": [-1, -2]}
    assert bound.stub.requests[0].model_spec.signature_name == "other"


def test_bytes_in_a_result(run: Callable[..., Run]) -> None:
    with pytest.raises(HookFailed) as caught:
        run("bytes_result")({})
    assert caught.value.status == 500
    assert "/text/0" in str(caught.value.__cause__)


def test_numbers_that_are_none(run: Callable[..., Run]) -> None:
    scores = run("nan_result")({}).value["scores"]
    assert math.isnan(scores[0])
    assert scores[1:] == [math.inf, -math.inf, 0.5]


BLAME = {
    "KeyError": (400, "MR.0105"),
    "TypeError": (400, "MR.0105"),
    "ValueError": (500, "MR.0105"),
    "AttributeError": (500, "MR.0105"),
    "IndexError": (500, "MR.0105"),
    "RecursionError": (500, "MR.0105"),
    "MemoryError": (500, "MR.0105"),
    "SystemExit": (500, "MR.0105"),
    "OSError": (500, "MR.0105"),
    "BadRequest": (422, "MR.0101"),
    "broken_image": (400, "MR.0101"),
    "truncated_image": (400, "MR.0101"),
}


@pytest.mark.parametrize("hook", ["_preprocess", "_inference", "_postprocess"])
def test_blame_is_the_same_in_every_hook(hook: str, run: Callable[..., Run]) -> None:
    package = run("raises")
    found = {}
    for error in BLAME:
        with pytest.raises(RequestError) as caught:
            package({"error": error, "hook": hook})
        found[error] = (caught.value.status, caught.value.erno)
        assert "secret" not in f"{caught.value} {caught.value.detail}"
    assert found == BLAME
    assert package({"hook": hook}).value == {"hook": hook}
