"""Predict: a PredictRequest and a loaded model to a PredictResponse; texts and rules of the real server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from model_service.model_server.dtypes import type_name
from model_service.model_server.engine import Signature, SignatureInput
from model_service.model_server.messages import PredictResponse
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array, fill_proto, to_array
from model_service.model_server.versions import Servable

DEFAULT_SIGNATURE = "serving_default"


def predict(servable: Servable, request: Any, as_tensor_content: bool) -> Any:
    """Answer a PredictRequest.

    Args:
        servable: the loaded version that the request names.
        request: the request.
        as_tensor_content: send results as raw bytes instead of value fields.

    Raises:
        ServingError: the request does not fit the model, or the model fails.
    """
    signature = find_signature(servable, request.model_spec.signature_name)
    arrays = _decode_inputs(signature, request.inputs)
    outputs = _choose_outputs(signature, request.output_filter) if request.output_filter else signature.output_names
    results = signature.run(arrays, outputs)
    response = PredictResponse()
    spec = response.model_spec
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature.name
    tensors = response.outputs
    try:
        for alias, result in zip(outputs, results, strict=True):
            fill_proto(tensors[alias], result, as_tensor_content)
    except ValueError as error:
        raise ServingError(Code.UNIMPLEMENTED, str(error)) from error
    return response


def predict_arrays(signature: Signature, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Answer a prediction whose tensors came in no message.

    Args:
        signature: the one to run.
        arrays: arrays of the right element types, by alias; inputs with a default may be left out.

    Returns:
        An array, or bytes for a scalar string, per output, by alias.

    Raises:
        ServingError: an array is missing, or the model refuses the arrays or fails.
    """
    ordered = []
    for entry in signature.inputs:
        array = arrays.get(entry.alias, entry.default)
        if array is None:
            raise _missing(signature, entry, arrays) if signature.has_defaults else _wrong_size(signature, arrays)
        ordered.append(array)
    return dict(zip(signature.output_names, signature.run(ordered, signature.output_names), strict=True))


def find_json_signature(servable: Servable, name: str) -> Signature:
    """Return the signature that a REST request names; without a name ``serving_default``.

    Raises:
        ServingError: there is none of this name, or it takes nothing.
    """
    signature = servable.model.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise ServingError(
            Code.INVALID_ARGUMENT, f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature def'
        )
    if not signature.inputs:
        raise ServingError(Code.INVALID_ARGUMENT, f"Failed to get input map for signature: {name or 'DEFAULT'}")
    return signature


def find_signature(servable: Servable, name: str) -> Signature:
    """Return the signature a request names; without a name ``serving_default``.

    Raises:
        ServingError: there is none of this name.
    """
    signature = servable.model.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name or DEFAULT_SIGNATURE}" not found.')
    return signature


def _decode_inputs(signature: Signature, sent: Any) -> list[Array]:
    wanted = len(signature.inputs)
    if len(sent) > wanted or (len(sent) < wanted and not signature.has_defaults):
        raise _wrong_size(signature, sent)
    arrays = []
    used = 0
    for entry in signature.inputs:
        if entry.alias in sent:
            arrays.append(_decode(sent[entry.alias], entry))
            used += 1
        elif entry.default is not None:
            arrays.append(entry.default)
        else:
            raise _missing(signature, entry, sent)
    if used != len(sent):
        seen = signature.input_names & set(sent)
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"Inputs contains invalid name. Used request inputs: {_joined(seen)}, request input: {_joined(sent)}",
        )
    return arrays


def _decode(proto: Any, entry: SignatureInput) -> Array:
    try:
        array = to_array(proto)
    except (ValueError, MemoryError) as error:
        raise ServingError(Code.INVALID_ARGUMENT, f"tensor parsing error: {entry.alias}") from error
    if proto.dtype != entry.dtype:
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"Expects arg[{entry.position}] to be {type_name(entry.dtype)} but {type_name(proto.dtype)} is provided",
        )
    return array


def _choose_outputs(signature: Signature, output_filter: Iterable[str]) -> tuple[str, ...]:
    chosen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {alias} Outputs expected to be in the set "
                f"{{{_joined(signature.outputs)}}}.",
            )
        if alias in chosen:
            raise ServingError(Code.INVALID_ARGUMENT, f"duplicate output tensor alias: {alias}")
        chosen.append(alias)
    return tuple(chosen)


def _wrong_size(signature: Signature, sent: Any) -> ServingError:
    given, wanted = set(sent), signature.input_names
    return ServingError(
        Code.INVALID_ARGUMENT,
        f"input size does not match signature: {len(given)}!={len(wanted)} len({{{_joined(given)}}}) != "
        f"len({{{_joined(wanted)}}}). Sent extra: {{{_joined(given - wanted)}}}. "
        f"Missing but required: {{{_joined(wanted - given)}}}.",
    )


def _missing(signature: Signature, entry: SignatureInput, sent: Any) -> ServingError:
    defaults = [other.alias for other in signature.inputs if other.default is not None]
    return ServingError(
        Code.INVALID_ARGUMENT,
        f"Signature input alias: {entry.alias}(feed name: {entry.feed}) not found in request and no default value "
        f"provided. Inputs expected to be in the request {{{_joined(sent)}}}, or default input alias set: "
        f"{_joined(defaults)}",
    )


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))
