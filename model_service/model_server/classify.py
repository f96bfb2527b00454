"""Classify: examples in, for each of them classes with labels, scores or both out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from model_service.model_server.engine import Signature
from model_service.model_server.inference import (
    INPUTS,
    check_method_name,
    fill_model_spec,
    find_signature,
    invalid,
    run_on_examples,
    shape_text,
    type_text,
)
from model_service.model_server.messages import Class, ClassificationResponse
from model_service.model_server.tensors import Array, varint
from model_service.model_server.versions import Servable

METHOD_NAME = "tensorflow/serving/classify"

_CLASSES = "classes"
_SCORES = "scores"
# On the wire a class without a label is 0a 05 15 and four bytes of score: entry of a list, 5 bytes long, field 2.
_SCORE_ENTRY = np.dtype([("head", np.uint8, 3), ("score", "<f4")])
_SCORE_HEAD = np.array([0x0A, 5, 0x15], np.uint8)
_LIST_TAG = b"\x0a"


def classify(servable: Servable, request: Any, check_name: bool) -> Any:
    """Answer a ClassificationRequest.

    Args:
        servable: the loaded version that the request names.
        request: the request.
        check_name: refuse signatures whose method name is not Classify's.

    Raises:
        ServingError: the request does not fit the model, or the model fails.
    """
    signature = find_signature(servable, request.model_spec.signature_name)
    outputs = choose_outputs(signature, check_name)
    count, results = run_on_examples(signature, request.input, outputs)
    response = ClassificationResponse()
    fill_model_spec(response.model_spec, servable, signature)
    fill_result(response.result, results, count)
    return response


def choose_outputs(signature: Signature, check_name: bool) -> tuple[str, ...]:
    """Return which of ``classes`` and ``scores`` a signature has.

    Raises:
        ServingError: it is no signature for Classify.
    """
    if check_name:
        check_method_name(signature, "classification", METHOD_NAME)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if INPUTS not in signature.input_names:
        raise invalid(f"No classification inputs found in SignatureDef: {signature.definition}")
    chosen = tuple(alias for alias in (_CLASSES, _SCORES) if alias in signature.outputs)
    if not chosen:
        raise invalid(
            f'Expected classification signature outputs to contain at least one of "{_CLASSES}" or "{_SCORES}". '
            f"Signature was: {signature.definition}"
        )
    return chosen


def fill_result(result: Any, outputs: Mapping[str, Array], count: int) -> None:
    """Fill an empty ClassificationResult.

    Args:
        result: the message.
        outputs: ``classes`` (strings), ``scores`` (float32) or both, each of shape (examples, classes).
        count: the number of examples.

    Raises:
        ServingError: an output has another type or shape.
    """
    classes, scores = outputs.get(_CLASSES), outputs.get(_SCORES)
    if classes is not None:
        _check(classes, _CLASSES, "DT_STRING", count)
    if scores is not None:
        _check(scores, _SCORES, "DT_FLOAT", count)
    if classes is None and scores is not None:
        _fill_scores(result, scores)
        return
    assert classes is not None  # choose_outputs has found one of them
    if scores is None:
        scores = np.zeros(classes.shape, np.float32)
    elif classes.shape[1] != scores.shape[1]:
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    try:
        for labels, row in zip(classes.tolist(), scores.tolist(), strict=True):
            result.classifications.add(classes=list(map(_make_class, labels, row)))
    except ValueError as error:
        raise invalid("Expected classes to be UTF-8: a label is not") from error


def _make_class(label: bytes, score: float) -> Any:
    return Class(label=label, score=score)


def _check(output: Array, name: str, wanted: str, count: int) -> None:
    if output.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {shape_text(output)}")
    if type_text(output) != wanted:
        raise invalid(f"Expected {name} Tensor of {wanted}. Got: {type_text(output)}")
    if len(output) != count:
        raise invalid(f"Expected {name} output batch size of {count}. Got: {len(output)}")


def _fill_scores(result: Any, scores: Array) -> None:
    """Write the classes of all examples at once, in their wire format."""
    rows, columns = scores.shape
    entries = np.empty(scores.shape, _SCORE_ENTRY)
    entries["head"] = _SCORE_HEAD
    entries["score"] = scores
    length = columns * _SCORE_ENTRY.itemsize
    head = np.frombuffer(_LIST_TAG + varint(length), np.uint8)
    lists = np.empty((rows, head.size + length), np.uint8)
    lists[:, : head.size] = head
    lists[:, head.size :] = entries.view(np.uint8).reshape(rows, length)
    result.MergeFromString(lists.tobytes())
