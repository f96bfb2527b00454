"""The JSON of ``:classify`` and ``:regress``: objects to tf.Examples, results to lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from model_service.model_server.rest import json_text
from model_service.model_server.rest.json_text import shown
from model_service.model_server.rest.json_values import decode_base64, invalid, is_base64

_CONTEXT, _EXAMPLES, _RESULTS = "context", "examples", "results"
_MAX_INT64 = 2**63 - 1

_KIND_NAMES = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def fill_input(document: Mapping[str, Any], message: Any) -> None:
    """Fill an Input message from a parsed body.

    Raises:
        ServingError: the body has no usable examples.
    """
    has_context = _CONTEXT in document
    if has_context:
        _fill_example(document[_CONTEXT], message.example_list_with_context.context)
    if _EXAMPLES not in document:
        raise invalid(
            f"JSON Value: {shown(document)} When method is classify, key 'examples' is expected and was not found"
        )
    examples = document[_EXAMPLES]
    if not isinstance(examples, list):
        raise invalid(f"JSON Value: {shown(document)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {shown(document)} 'examples' value is an empty array")
    target = message.example_list_with_context if has_context else message.example_list
    for example in examples:
        _fill_example(example, target.examples.add())


def _fill_example(value: Any, example: Any) -> None:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_text.type_name(value)}")
    for name, content in value.items():
        _fill_feature(name, content if isinstance(content, list) else [content], example.features.feature[name])


def _fill_feature(name: str, values: list[Any], feature: Any) -> None:
    """Fill a feature; its first value decides its kind. An empty list leaves it without one."""
    kinds = [_kind_of(name, value) for value in values]
    for kind in kinds:
        if kind != kinds[0]:
            raise invalid(f"Unexpected element type in feature: {name} expecting type: {_KIND_NAMES[kinds[0]]}")
    if kinds:
        try:
            getattr(feature, kinds[0]).value.extend(values if kinds[0] != "bytes_list" else map(_to_bytes, values))
        except UnicodeEncodeError as error:
            raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from error


def _to_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else decode_base64(value)


def _kind_of(name: str, value: Any) -> str:
    if isinstance(value, str) or is_base64(value):
        return "bytes_list"
    if isinstance(value, int):
        if value > _MAX_INT64:
            raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
        return "int64_list"
    if isinstance(value, float):
        if np.isfinite(value) and abs(value) > np.finfo(np.float32).max:
            raise invalid(f"Cannot convert JSON value: {shown(value)} to float without loss of precision.")
        return "float_list"
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_text.type_name(value)}")


def write_classifications(result: Any) -> bytes:
    """Encode a ClassificationResult: per example a list of [label, score]."""
    if not result.classifications:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    rows = [[[each.label, np.float32(each.score)] for each in row.classes] for row in result.classifications]
    return json_text.encode(_RESULTS, rows)


def write_regressions(result: Any) -> bytes:
    """Encode a RegressionResult: a number per example."""
    if not result.regressions:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return json_text.encode(_RESULTS, np.array([each.value for each in result.regressions], np.float32))
