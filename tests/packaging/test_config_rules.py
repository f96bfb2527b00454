"""The rules for config.json in a package that is being made: what is legal passes, each breach has its pointer."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from model_packaging.rules import MODEL_TYPES, check_config

REPOSITORY = Path(__file__).parents[2]
LEAST = {"model_algorithm": "image_classification", "model_type": "TensorFlow"}
IMAGE = {"model_algorithm": "a", "model_type": "Image", "swr_location": "registry/a:1"}
SCHEMA = {"type": "object", "properties": {"images": {"type": "file"}}}


def api(**changes: Any) -> dict[str, Any]:
    return {"url": "/", "method": "post", "request": {"data": SCHEMA}, **changes}


def pip(*packages: Any) -> list[Any]:
    return [{"installer": "pip", "packages": list(packages)}]


LEGAL: dict[str, dict[str, Any]] = {
    "the least": {},
    "both spellings of protocol": {"apis": [{"procotol": "http"}, {"protocol": "https"}][:1]},
    "no url, no method": {"apis": [{"request": {"Content-type": "applicaton/json", "data": SCHEMA}}]},
    "schema without data around it": {"apis": [api(request=SCHEMA)]},
    "request without schema": {"apis": [api(request={"Content-type": "application/json"}, response={})]},
    "items as a list, item": {
        "apis": [api(response={"data": {"type": "array", "items": [{"type": "number"}], "item": [1]}})]
    },
    "capital method": {"apis": [api(method="POST")]},
    "metrics": {"metrics": {"f1": 0, "accuracy": 0.462963, "mine": "any"}},
    "empty restraint": {"dependencies": pip({"package_name": "h5py", "package_version": "", "restraint": ""})},
    "exact": {"dependencies": pip({"package_name": "numpy", "package_version": "1.26.0", "restraint": "EXACT"})},
    "wheel": {"dependencies": pip({"package_name": "mine-1-py3-none-any.whl"})},
    "health": {"health": {"url": "/health", "protocol": "http", "initial_delay_seconds": "0", "timeout_seconds": 3}},
    "exec": {"startup_health": {"check_method": "EXEC", "command": "cat /tmp/x"}},
    "unknown keys": {"tunable": True, "model_source": "auto", "health_": 1},
    "validation": {"validation": {"request": "strict", "response": "off"}},
    "tensors": {"tensors": {"images": {"minimum": 0, "maximum": 1.0}, "x": {"maximum": 0}}},
}


@pytest.mark.parametrize("case", LEGAL)
def test_legal(case: str) -> None:
    assert check_config({**LEAST, **LEGAL[case]}, wheels=["mine-1-py3-none-any.whl"]) == []


@pytest.mark.parametrize("model_type", [name for name in MODEL_TYPES if name != "Image"])
def test_every_documented_engine_is_legal(model_type: str) -> None:
    assert check_config({**LEAST, "model_type": model_type}) == []


@pytest.mark.parametrize("spelling", ["Image", "image"])
def test_an_image_may_have_several_urls(spelling: str) -> None:
    config = {**IMAGE, "model_type": spelling, "apis": [api(url="/a"), api(url="/b"), api(url="/b", method="get")]}
    assert check_config(config) == []


def test_our_own_template_is_legal() -> None:
    assert check_config(json.loads((REPOSITORY / "config.json").read_text())) == []


# what is changed in the least config -> pointer, part of the message
BREACHES: list[tuple[dict[str, Any], str, str]] = [
    ({"model_algorithm": None}, "/model_algorithm", "is missing"),
    ({"model_algorithm": 3}, "/model_algorithm", "a number"),
    ({"model_algorithm": "1st"}, "/model_algorithm", "start with a letter"),
    ({"model_algorithm": "a" * 37}, "/model_algorithm", "37 characters"),
    ({"model_algorithm": "a=b"}, "/model_algorithm", "'='"),
    ({"model_algorithm": "a图像"}, "/model_algorithm", "Chinese"),
    ({"model_type": None}, "/model_type", "is missing"),
    ({"model_type": "tensorflow"}, "/model_type", "did you mean TensorFlow"),
    ({"model_type": ["TensorFlow"]}, "/model_type", "known:"),
    ({"runtime": 3.6}, "/runtime", "must be a string"),
    ({"swr_location": "x"}, "/swr_location", "Image only"),
    ({"metrics": []}, "/metrics", "an array"),
    ({"metrics": {"f1": "0.5"}}, "/metrics/f1", "a string"),
    ({"metrics": {"recall": True}}, "/metrics/recall", "a boolean"),
    ({"tensors": []}, "/tensors", "must be an object, not an array"),
    ({"tensors": {"a/b": 1}}, "/tensors/a~1b", "must be an object like"),
    ({"tensors": {"x": {"min": 0}}}, "/tensors/x", "must be an object like"),
    ({"tensors": {"x": {"minimum": "0"}}}, "/tensors/x/minimum", "a string"),
    ({"tensors": {"x": {"minimum": 1, "maximum": 1}}}, "/tensors/x", "a minimum that is not below its maximum"),
    ({"apis": {}}, "/apis", "must be an array"),
    ({"apis": []}, "/apis", "leave the key out"),
    ({"apis": [api(), api(url="/x")]}, "/apis", "2 entries"),
    ({"apis": ["/"]}, "/apis/0", "an object"),
    ({"apis": [api(url="/predict")]}, "/apis/0/url", 'only "/"'),
    ({"apis": [api(url="predict")]}, "/apis/0/url", "starts with /"),
    ({"apis": [api(method="put")]}, "/apis/0/method", "post, get"),
    ({"apis": [api(protocol="ftp")]}, "/apis/0/protocol", "http, https"),
    ({"apis": [api(procotol=1)]}, "/apis/0/procotol", "http, https"),
    ({"apis": [api(request="x")]}, "/apis/0/request", "a string"),
    ({"apis": [api(request={"Content-type": 1})]}, "/apis/0/request/Content-type", "a number"),
    ({"apis": [api(response={"data": []})]}, "/apis/0/response/data", "must be an object"),
    (
        {"apis": [api(response={"data": {"properties": {"a/b": {"type": "list"}}}})]},
        "/apis/0/response/data/properties/a~1b/type",
        "unknown type 'list'",
    ),
    ({"apis": [api(request={"data": {"required": "a"}})]}, "/apis/0/request/data/required", "array"),
    ({"validation": "strict"}, "/validation", "an object"),
    ({"validation": {"request": "on"}}, "/validation/request", "off, warn, coerce, strict"),
    ({"validation": {"requests": "off"}}, "/validation/requests", "neither"),
    ({"dependencies": {}}, "/dependencies", "must be an array"),
    ({"dependencies": ["numpy"]}, "/dependencies/0", "an object"),
    ({"dependencies": [{"packages": []}]}, "/dependencies/0/installer", "allowed: pip"),
    ({"dependencies": [{"installer": "apt-get", "packages": []}]}, "/dependencies/0/installer", "'apt-get'"),
    ({"dependencies": [{"installer": "pip"}]}, "/dependencies/0/packages", "null"),
    ({"dependencies": pip("numpy")}, "/dependencies/0/packages/0", "an object"),
    ({"dependencies": pip({"package_name": "a"}, {})}, "/dependencies/0/packages/1/package_name", "null"),
    ({"dependencies": pip({"package_name": "numpy>=1"})}, "/dependencies/0/packages/0/package_name", "package_version"),
    (
        {"dependencies": pip({"package_name": "a", "package_version": ">=1", "restraint": "EXACT"})},
        "/dependencies/0/packages/0/package_version",
        "goes to restraint",
    ),
    (
        {"dependencies": pip({"package_name": "a", "package_version": 1, "restraint": "EXACT"})},
        "/dependencies/0/packages/0/package_version",
        "a number",
    ),
    (
        {"dependencies": pip({"package_name": "a", "package_version": "1", "restraint": "=="})},
        "/dependencies/0/packages/0/restraint",
        "EXACT, ATLEAST, ATMOST",
    ),
    (
        {"dependencies": pip({"package_name": "a", "package_version": "1"})},
        "/dependencies/0/packages/0/restraint",
        "is missing",
    ),
    (
        {"dependencies": pip({"package_name": "a", "restraint": "EXACT"})},
        "/dependencies/0/packages/0/restraint",
        "needs a package_version",
    ),
    ({"dependencies": pip({"package_name": "b.whl"})}, "/dependencies/0/packages/0/package_name", "wheel file"),
    ({"health": "/health"}, "/health", "an object"),
    ({"health": {}}, "/health/url", "starts with /"),
    ({"health": {"url": "/h", "protocol": "https"}}, "/health/protocol", "only http"),
    ({"readiness_health": {"url": "/h", "period_seconds": "-1"}}, "/readiness_health/period_seconds", "whole number"),
    ({"health": {"url": "/h", "timeout_seconds": True}}, "/health/timeout_seconds", "whole number"),
    ({"health": {"url": "/h", "failure_threshold": 2**31}}, "/health/failure_threshold", "2147483647"),
    ({"health": {"url": "/h", "check_method": "TCP"}}, "/health/check_method", "HTTP, EXEC"),
    ({"health": {"check_method": "EXEC"}}, "/health/command", "command to run"),
]


@pytest.mark.parametrize(
    ("change", "pointer", "message"), BREACHES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_breach_is_found_at_its_place(change: dict[str, Any], pointer: str, message: str) -> None:
    config = {key: value for key, value in {**LEAST, **change}.items() if value is not None}
    breaches = check_config(config)
    assert [breach.pointer for breach in breaches if message in breach.message] == [pointer], breaches


IMAGE_BREACHES = [
    ({"swr_location": None}, "/swr_location"),
    ({"swr_location": ""}, "/swr_location"),
    ({"dependencies": []}, "/dependencies"),
    ({"apis": [api(url="/a"), api(url="/a")]}, "/apis/1"),
]


@pytest.mark.parametrize(("change", "pointer"), IMAGE_BREACHES)
def test_rules_for_images_of_ones_own(change: dict[str, Any], pointer: str) -> None:
    config = {key: value for key, value in {**IMAGE, **change}.items() if value is not None}
    assert [breach.pointer for breach in check_config(config)] == [pointer]


@pytest.mark.parametrize("whole", [None, [], "x", 3])
def test_a_config_that_is_no_object(whole: object) -> None:
    (breach,) = check_config(whole)
    assert breach.pointer == ""
    assert str(breach).startswith("(whole file) must be an object, not ")


def test_all_breaches_are_reported_and_the_config_is_left_alone() -> None:
    config: dict[str, Any] = {"model_type": "Torch", "metrics": {"f1": "x"}, "apis": [api(url="/x", method="put")]}
    before = copy.deepcopy(config)
    assert [breach.pointer for breach in check_config(config)] == [
        "/model_algorithm",
        "/model_type",
        "/metrics/f1",
        "/apis/0/url",
        "/apis/0/method",
    ]
    assert config == before
