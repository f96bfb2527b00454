"""The config.json that goes with a starter service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_packaging.parts import MODEL_TYPE
from model_packaging.starter.plan import PictureInput
from model_service.tfs.signature import Signature, TensorSpec

RUNTIME = "tf2.1-python3.7"
_NUMPY = {"package_name": "numpy", "package_version": "1.26.0", "restraint": "ATLEAST"}
_PILLOW = {"package_name": "Pillow", "package_version": "10.1.0", "restraint": "ATLEAST"}

Schema = dict[str, Any]


def bare_config(algorithm: str, metrics: Mapping[str, float] | None) -> dict[str, Any]:
    """Return a config.json without a contract, for a service that we do not know."""
    config: dict[str, Any] = {"model_algorithm": algorithm, "model_type": MODEL_TYPE, "runtime": RUNTIME}
    return config | ({"metrics": dict(metrics)} if metrics is not None else {})


def full_config(
    algorithm: str,
    metrics: Mapping[str, float] | None,
    request: Schema,
    response: Schema,
    picture: PictureInput | None,
    value_range: tuple[float, float] | None,
) -> dict[str, Any]:
    """Return a config.json whose contract is held on both sides.

    Args:
        algorithm: what the model does, in the words of the import service.
        metrics: what the training measured; None: nothing.
        request: schema of what is sent.
        response: schema of what is answered.
        picture: the input, if it takes pictures.
        value_range: the least and the largest value of the input in training; None: not known.
    """
    content_type = "application/json" if picture is None else "multipart/form-data"
    api = {
        "protocol": "http",
        "url": "/",
        "method": "post",
        "request": {"Content-type": content_type, "data": request},
        "response": {"Content-type": "application/json", "data": response},
    }
    config = bare_config(algorithm, metrics) | {
        "apis": [api],
        "validation": {"request": "strict", "response": "strict"},
    }
    if picture is not None and value_range is not None:
        config["tensors"] = {picture.spec.name: {"minimum": value_range[0], "maximum": value_range[1]}}
    packages = [_NUMPY] if picture is None else [_NUMPY, _PILLOW]
    return config | {"dependencies": [{"installer": "pip", "packages": packages}]}


def picture_request(picture: PictureInput, description: str) -> Schema:
    """One form field with files, named like the input."""
    name = picture.spec.name
    return {
        "type": "object",
        "required": [name],
        "properties": {name: {"type": "file", "description": description}},
    }


def tensor_request(signature: Signature, rows_name: str) -> Schema:
    """A property for every input: arrays nested as deep as the tensor has dimensions.

    Args:
        signature: the model's.
        rows_name: a property that holds rows, each with every input less its first dimension; "": there is none.
    """
    if not rows_name:
        return _named({name: _nested(spec, spec.shape, is_request=True) for name, spec in signature.inputs.items()})
    row = {name: _nested(spec, (spec.shape or ())[1:], is_request=True) for name, spec in signature.inputs.items()}
    return _named({rows_name: {"type": "array", "minItems": 1, "items": _named(row)}})


def tensor_response(signature: Signature, answer: Mapping[str, NDArray[Any]]) -> Schema:
    """A property for every output; where the signature does not tell the rank, the answer does."""
    properties = {}
    for name, spec in signature.outputs.items():
        shape = spec.shape
        if shape is None and name in answer:
            shape = (None,) * np.ndim(answer[name])
        properties[name] = _nested(spec, shape, is_request=False)
    return _named(properties) | {"additionalProperties": False}


def label_response(labels: Sequence[str]) -> Schema:
    """The answer of the classifier: the likeliest label, and every label with its score."""
    names = list(labels)
    pair = {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": [{"type": "string", "enum": names}, {"type": "number"}],
    }
    count = len(names)
    return {
        "type": "object",
        "required": ["predicted_label", "scores"],
        "additionalProperties": False,
        "properties": {
            "predicted_label": {"type": "string", "enum": names},
            "scores": {
                "description": "every label with its score, the likeliest first",
                "type": "array",
                "minItems": count,
                "maxItems": count,
                "items": pair,
            },
        },
    }


def _named(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": list(properties), "properties": properties}


def _nested(spec: TensorSpec, shape: Sequence[int | None] | None, *, is_request: bool) -> Schema:
    if shape is None:
        return {"description": f"{spec.dtype.name} of any number of dimensions"}
    schema = _element(spec, is_request=is_request)
    for size in reversed(shape):
        limits = {"minItems": size, "maxItems": size} if size is not None else {"minItems": 1} if is_request else {}
        schema = {"type": "array", **limits, "items": schema}
    return {"description": str(spec), **schema}


def _element(spec: TensorSpec, *, is_request: bool) -> Schema:
    kind = spec.dtype.name
    if kind == "string":
        return {"type": "string"}
    if kind == "bool":
        return {"type": "boolean"}
    if "int" not in kind:
        return {"type": "number"}
    limits = np.iinfo(spec.dtype.numpy)
    return {"type": "integer"} | ({"minimum": int(limits.min), "maximum": int(limits.max)} if is_request else {})
