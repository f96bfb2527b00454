"""Regress: examples in, one number for each of them out."""

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
from model_service.model_server.messages import RegressionResponse
from model_service.model_server.tensors import Array
from model_service.model_server.versions import Servable

METHOD_NAME = "tensorflow/serving/regress"

_OUTPUTS = "outputs"
# On the wire a regression is 0a 05 0d and four bytes: entry of a list, 5 bytes long, field 1.
_ENTRY = np.dtype([("head", np.uint8, 3), ("value", "<f4")])
_HEAD = np.array([0x0A, 5, 0x0D], np.uint8)


def regress(servable: Servable, request: Any, check_name: bool) -> Any:
    """Answer a RegressionRequest.

    Args:
        servable: the loaded version that the request names.
        request: the request.
        check_name: refuse signatures whose method name is not Regress's.

    Raises:
        ServingError: the request does not fit the model, or the model fails.
    """
    signature = find_signature(servable, request.model_spec.signature_name)
    outputs = choose_outputs(signature, check_name)
    count, results = run_on_examples(signature, request.input, outputs)
    response = RegressionResponse()
    fill_model_spec(response.model_spec, servable, signature)
    fill_result(response.result, results, count)
    return response


def choose_outputs(signature: Signature, check_name: bool) -> tuple[str, ...]:
    """Return the alias of the one output of a signature, ``outputs``.

    Raises:
        ServingError: it is no signature for Regress.
    """
    if check_name:
        check_method_name(signature, "regression", METHOD_NAME)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if INPUTS not in signature.input_names:
        raise invalid(f"No regression inputs found in SignatureDef: {signature.definition}")
    if _OUTPUTS not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {signature.definition}")
    return (_OUTPUTS,)


def fill_result(result: Any, outputs: Mapping[str, Array], count: int) -> None:
    """Fill an empty RegressionResult.

    Args:
        result: the message.
        outputs: ``outputs``, float32 of shape (examples,) or (examples, 1).
        count: the number of examples.

    Raises:
        ServingError: the output has another type or shape.
    """
    output = outputs[_OUTPUTS]
    if not (output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + shape_text(output)
        )
    if len(output) != count:
        raise invalid(f"Input batch size did not match output batch size: {count} vs. {len(output)}")
    if type_text(output) != "DT_FLOAT":
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {type_text(output)}")
    entries = np.empty(count, _ENTRY)
    entries["head"] = _HEAD
    entries["value"] = output.reshape(-1)
    result.MergeFromString(entries.tobytes())
