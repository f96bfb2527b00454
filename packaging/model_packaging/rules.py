"""What the ModelArts import service demands of a config.json, rule by rule.

The runtime is lenient (it reads what it can); whoever makes a package is told everything, with a JSON pointer.
Unknown keys are legal at every level.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Container, Iterator, Mapping
from typing import Any

from model_packaging.breaches import Breach, check_text, kind_of
from model_packaging.dependency_rules import check_dependencies
from model_service.package.schema import DialectError, child_pointer, to_draft7

IMAGE = "Image"  # a container image of the user's own, not a model
MODEL_TYPES = (
    "TensorFlow",
    "PyTorch",
    "MXNet",
    "MindSpore",
    "Caffe",
    "Spark_MLlib",
    "Scikit_Learn",
    "XGBoost",
    IMAGE,
)
METRIC_NAMES = ("f1", "recall", "precision", "accuracy")
VALIDATION_MODES = ("off", "warn", "coerce", "strict")
HEALTH_KEYS = ("health", "readiness_health", "startup_health")

_ALGORITHM_MAX_CHARACTERS = 36
_HEALTH_NUMBERS = ("initial_delay_seconds", "timeout_seconds", "period_seconds", "failure_threshold")
_HEALTH_MAX = 2_147_483_647


def check_config(config: object, wheels: Container[str] = ()) -> list[Breach]:
    """Hold a parsed config.json against the rules.

    Args:
        config: the JSON value of the whole file.
        wheels: names of the wheel files that lie in ``model/``; a dependency may name one.

    Returns:
        Every breach found; empty if the file may go into a package.
    """
    if not isinstance(config, dict):
        return [Breach("config-not-an-object", "", f"must be an object, not {kind_of(config)}")]
    is_image = config.get("model_type") in (IMAGE, IMAGE.lower())  # a page of the documents writes it small
    return [
        *_check_identity(config, is_image),
        *_check_metrics(config.get("metrics", {})),
        *_check_apis(config, is_image),
        *_check_validation(config.get("validation", {})),
        *_check_tensors(config.get("tensors", {})),
        *_check_dependencies(config, is_image, wheels),
        *(breach for key in HEALTH_KEYS if key in config for breach in _check_health(config[key], f"/{key}")),
    ]


def _check_identity(config: Mapping[str, Any], is_image: bool) -> Iterator[Breach]:
    algorithm = config.get("model_algorithm")
    if algorithm is None:
        yield Breach(
            "no-model-algorithm",
            "/model_algorithm",
            'is missing; say what the model does, for example "image_classification"',
        )
    else:
        yield from check_text("bad-model-algorithm", algorithm, "/model_algorithm")
        if isinstance(algorithm, str) and not re.match(r"[A-Za-z]", algorithm):
            yield Breach("bad-model-algorithm", "/model_algorithm", f"must start with a letter, not {algorithm[:1]!r}")
        if isinstance(algorithm, str) and len(algorithm) > _ALGORITHM_MAX_CHARACTERS:
            message = f"has {len(algorithm)} characters; {_ALGORITHM_MAX_CHARACTERS} are allowed"
            yield Breach("bad-model-algorithm", "/model_algorithm", message)
    model_type = config.get("model_type")
    if model_type is None:
        yield Breach("no-model-type", "/model_type", 'is missing; for a SavedModel it is "TensorFlow"')
    elif model_type not in MODEL_TYPES and not is_image:
        near = difflib.get_close_matches(str(model_type).lower(), [name.lower() for name in MODEL_TYPES], 1)
        hint = next((f" (did you mean {name}?)" for name in MODEL_TYPES if [name.lower()] == near), "")
        yield Breach("unknown-model-type", "/model_type", f"is {model_type!r}{hint}; known: {', '.join(MODEL_TYPES)}")
    if "runtime" in config and not isinstance(config["runtime"], str):
        yield Breach("bad-runtime", "/runtime", f"must be a string, not {kind_of(config['runtime'])}")
    yield from _check_image_location(config, is_image)


def _check_image_location(config: Mapping[str, Any], is_image: bool) -> Iterator[Breach]:
    location = config.get("swr_location")
    if not is_image and location is not None:
        yield Breach("bad-swr-location", "/swr_location", f"is for model_type {IMAGE} only; remove it")
    if is_image and not (isinstance(location, str) and location):
        yield Breach(
            "bad-swr-location", "/swr_location", f"must be the address of the image, since model_type is {IMAGE}"
        )


def _check_metrics(metrics: object) -> Iterator[Breach]:
    if not isinstance(metrics, dict):
        yield Breach("bad-metrics", "/metrics", f"must be an object, not {kind_of(metrics)}")
        return
    for name in METRIC_NAMES:
        value = metrics.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            yield Breach("bad-metrics", f"/metrics/{name}", f"must be a number, not {kind_of(value)}")


def _check_apis(config: Mapping[str, Any], is_image: bool) -> Iterator[Breach]:
    if "apis" not in config:
        return
    apis = config["apis"]
    if not isinstance(apis, list) or not apis:
        yield Breach("bad-apis", "/apis", "must be an array with an entry; leave the key out to declare no contract")
        return
    if len(apis) > 1 and not is_image:
        yield Breach(
            "several-apis", "/apis", f"has {len(apis)} entries; only model_type {IMAGE} may have more than one"
        )
    routes = set()
    for index, entry in enumerate(apis):
        pointer = f"/apis/{index}"
        if not isinstance(entry, dict):
            yield Breach("bad-apis", pointer, f"must be an object, not {kind_of(entry)}")
            continue
        yield from _check_api(entry, pointer, is_image)
        route = (str(entry.get("url", "/")), str(entry.get("method", "post")).lower())
        if route in routes:
            yield Breach("api-declared-twice", pointer, f"declares {route[1].upper()} {route[0]} a second time")
        routes.add(route)


def _check_api(entry: Mapping[str, Any], pointer: str, is_image: bool) -> Iterator[Breach]:
    url = entry.get("url", "/")
    if not isinstance(url, str) or not url.startswith("/"):
        yield Breach("bad-api-url", f"{pointer}/url", f"must be a path that starts with /, not {url!r}")
    elif url != "/" and not is_image:
        yield Breach("bad-api-url", f"{pointer}/url", f'is {url!r}; only "/" is served unless model_type is {IMAGE}')
    for key, allowed in (("protocol", ("http", "https")), ("procotol", ("http", "https")), ("method", ("post", "get"))):
        value = entry.get(key, allowed[0])
        if not isinstance(value, str) or value.lower() not in allowed:
            code = "bad-api-method" if key == "method" else "bad-api-protocol"
            yield Breach(code, f"{pointer}/{key}", f"is {value!r}; allowed: {', '.join(allowed)}")
    for side in ("request", "response"):
        if side in entry:
            yield from _check_side(entry[side], f"{pointer}/{side}")


def _check_side(side: object, pointer: str) -> Iterator[Breach]:
    """The schema is under ``data``; one page of the documents puts it there directly, so both are taken."""
    if not isinstance(side, dict):
        yield Breach("bad-apis", pointer, f"must be an object, not {kind_of(side)}")
        return
    content_type = side.get("Content-type", "")
    if not isinstance(content_type, str):
        yield Breach("bad-apis", f"{pointer}/Content-type", f"must be a string, not {kind_of(content_type)}")
    schema, schema_pointer = (side["data"], f"{pointer}/data") if "data" in side else (side, pointer)
    try:
        to_draft7(schema, schema_pointer)
    except DialectError as error:
        code = "unknown-schema-type" if error.message.startswith("unknown type") else "bad-schema"
        yield Breach(code, error.pointer, error.message)


def _check_validation(validation: object) -> Iterator[Breach]:
    if not isinstance(validation, dict):
        yield Breach("bad-validation", "/validation", f"must be an object, not {kind_of(validation)}")
        return
    for key, mode in validation.items():
        if key not in ("request", "response"):
            yield Breach("bad-validation", child_pointer("/validation", key), "is neither request nor response")
        elif mode not in VALIDATION_MODES:
            yield Breach("bad-validation", f"/validation/{key}", f"is {mode!r}; allowed: {', '.join(VALIDATION_MODES)}")


def _check_tensors(tensors: object) -> Iterator[Breach]:
    """Our extension: what the values of the model's inputs were when it was trained."""
    if not isinstance(tensors, dict):
        yield Breach("bad-tensors", "/tensors", f"must be an object, not {kind_of(tensors)}")
        return
    for name, limits in tensors.items():
        pointer = child_pointer("/tensors", name)
        if not isinstance(limits, dict) or not limits or set(limits) - {"minimum", "maximum"}:
            yield Breach("bad-tensors", pointer, 'must be an object like {"minimum": 0, "maximum": 1}')
            continue
        for key, value in limits.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                yield Breach("bad-tensors", f"{pointer}/{key}", f"must be a number, not {kind_of(value)}")
                break
        else:
            if limits.get("minimum", -math.inf) >= limits.get("maximum", math.inf):
                yield Breach("bad-tensors", pointer, "has a minimum that is not below its maximum")


def _check_dependencies(config: Mapping[str, Any], is_image: bool, wheels: Container[str]) -> Iterator[Breach]:
    if "dependencies" not in config:
        return
    if is_image:
        yield Breach(
            "dependencies-of-image",
            "/dependencies",
            f"are not allowed for model_type {IMAGE}; install them in the image",
        )
        return
    yield from check_dependencies(config["dependencies"], wheels)


def _check_health(health: object, pointer: str) -> Iterator[Breach]:
    if not isinstance(health, dict):
        yield Breach("bad-health", pointer, f"must be an object, not {kind_of(health)}")
        return
    method = health.get("check_method", "HTTP")
    if method not in ("HTTP", "EXEC"):
        yield Breach("bad-health", f"{pointer}/check_method", f"is {method!r}; allowed: HTTP, EXEC")
    url = health.get("url")
    if method != "EXEC" and not (isinstance(url, str) and url.startswith("/")):
        yield Breach("bad-health", f"{pointer}/url", f"must be a path that starts with /, not {url!r}")
    if method == "EXEC" and not (isinstance(health.get("command"), str) and health["command"].strip()):
        yield Breach("bad-health", f"{pointer}/command", "must be the command to run, since check_method is EXEC")
    if health.get("protocol", "http") != "http":
        yield Breach("bad-health", f"{pointer}/protocol", f"is {health['protocol']!r}; only http is allowed")
    for key in _HEALTH_NUMBERS:
        value = health.get(key, "0")
        digits = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not re.fullmatch(r"[0-9]+", digits) or int(digits) > _HEALTH_MAX:
            yield Breach(
                "bad-health", f"{pointer}/{key}", f"must be a whole number from 0 to {_HEALTH_MAX}, not {value!r}"
            )
