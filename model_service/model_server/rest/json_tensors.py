"""The JSON of ``:predict``: instances (rows) or inputs (columns) to arrays, and arrays to predictions or outputs.

Rules and texts are the real server's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from enum import Enum, unique
from typing import Any

import numpy as np

from model_service.model_server.dtypes import BY_NUMPY
from model_service.model_server.engine import Signature, SignatureInput
from model_service.model_server.rest import json_text
from model_service.model_server.rest.json_text import shown
from model_service.model_server.rest.json_values import BASE64, invalid, is_base64, to_array
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

_INSTANCES, _INPUTS = "instances", "inputs"
_BYTES_SUFFIX = "_bytes"


@unique
class Form(Enum):
    """How the tensors of a request are laid out, and those of its answer: the key of the answer."""

    ROWS = "predictions"
    COLUMNS = "outputs"


def form_of(document: Mapping[str, Any]) -> Form:
    """Return the form of a parsed request."""
    return Form.ROWS if _INSTANCES in document else Form.COLUMNS


def read_tensors(document: Mapping[str, Any], signature: Signature) -> dict[str, Array]:
    """Read the tensors of a request.

    Args:
        document: the parsed body.
        signature: the one the request names.

    Returns:
        One array of the right element type per input, by alias.

    Raises:
        ServingError: they do not fit the signature.
    """
    if _INSTANCES in document and _INPUTS in document:
        raise invalid(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if _INSTANCES in document:
        return _read_rows(document, signature)
    if _INPUTS in document:
        return _read_columns(document[_INPUTS], signature)
    raise invalid("Missing 'inputs' or 'instances' key")


def _read_rows(document: Mapping[str, Any], signature: Signature) -> dict[str, Array]:
    instances = document[_INSTANCES]
    if not isinstance(instances, list):
        raise invalid(f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array")
    if not instances:
        raise invalid(f"JSON Value: {shown(document)} No values in 'instances' array")
    if not isinstance(instances[0], dict) and len(signature.inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    are_objects = _is_object(instances[0])
    for place, each in enumerate(instances):
        if _is_object(each) != are_objects:
            kinds = ("object but got list", "value/list but got object")
            raise invalid(f"Expecting {kinds[not are_objects]} at item {place} of input list")
    if not are_objects:
        entry = signature.inputs[0]
        return {entry.alias: _read_batch(instances, entry, "")}
    _check_keys(instances, signature)
    return {
        entry.alias: _read_batch([each[entry.alias] for each in instances], entry, f" key: {entry.alias}")
        for entry in signature.inputs
        if entry.alias in instances[0]
    }


def _check_keys(instances: Sequence[Mapping[str, Any]], signature: Signature) -> None:
    wanted = signature.input_names
    optional = {entry.alias for entry in signature.inputs if entry.default is not None}
    first = instances[0].keys()
    for place, each in enumerate(instances):
        for name in each.keys() - wanted:
            error = ServingError(Code.INVALID_ARGUMENT, f"JSON object: does not have named input: {name}")
            raise invalid(f"Failed to process element: {place} key: {name} of 'instances' list. Error: {error}")
        if each.keys() != first or wanted - optional - each.keys():
            raise invalid(
                f"Failed to process element: {place} of 'instances' list. JSON object: {shown(each)} keys must be "
                f"equal to: {','.join(sorted(wanted))}"
            )


def _read_batch(values: list[Any], entry: SignatureInput, key_text: str) -> Array:
    """Convert one value per row; when that fails find the row that is to blame."""
    try:
        return to_array(values, entry)
    except ServingError:
        _blame(values, entry, key_text)
        raise


def _blame(values: list[Any], entry: SignatureInput, key_text: str) -> None:
    """Raise the error of the first row that cannot be converted, or is of another shape than the rows before it."""
    place = _first_wrong(values, entry)
    try:
        array = to_array(values[place], entry)
        wanted = to_array(values[0], entry)
        if array.size != wanted.size:
            raise invalid(f"Expecting tensor size: {wanted.size} but got: {array.size}")
        if array.shape != wanted.shape:
            raise invalid(f"Expecting shape {_shape_text(wanted.shape)} but got: {_shape_text(array.shape)}")
    except ServingError as error:
        raise invalid(f"Failed to process element: {place}{key_text} of 'instances' list. Error: {error}") from None


def _first_wrong(values: list[Any], entry: SignatureInput) -> int:
    """Find the first row that does not go with those before it; halving is faster than row by row."""
    right, wrong = 0, len(values)  # so many rows from the start go together, so many do not
    while wrong - right > 1:
        middle = (right + wrong) // 2
        try:
            to_array([values[0], *values[right:middle]], entry)
        except ServingError:
            wrong = middle
        else:
            right = middle
    return right


def _read_columns(inputs: Any, signature: Signature) -> dict[str, Array]:
    if not _is_object(inputs):
        if len(signature.inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        entry = signature.inputs[0]
        return {entry.alias: to_array(inputs, entry)}
    arrays = {}
    for entry in signature.inputs:
        if entry.alias in inputs:
            arrays[entry.alias] = to_array(inputs[entry.alias], entry)
        elif entry.default is None:
            raise invalid(f"Missing named input: {entry.alias} in 'inputs' object.")
    return arrays


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def write_tensors(form: Form, outputs: Mapping[str, Any]) -> bytes:
    """Encode the outputs of a signature.

    Args:
        form: the form of the request.
        outputs: an array, or bytes for a scalar string, per alias.

    Raises:
        ServingError: they cannot be told in that form.
    """
    values = {name: _printable(name, value) for name, value in outputs.items()}
    if form is Form.COLUMNS:
        return json_text.encode(form.value, values if len(values) > 1 else next(iter(values.values())))
    batch: int | None = None
    for name, value in values.items():
        if not isinstance(value, list | np.ndarray) or (isinstance(value, np.ndarray) and value.ndim == 0):
            raise invalid(f"Tensor name: {name} has no shape information ")
        if batch is not None and len(value) != batch:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(value)} expecting: {batch}")
        batch = len(value)
    if len(values) == 1:
        return json_text.encode(form.value, next(iter(values.values())))
    return json_text.encode(
        form.value, [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    )


def _printable(name: str, value: Any) -> Any:
    """An array of numbers that the encoder takes, or nested lists of strings."""
    array = np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value)
    if array.dtype.kind in "biu" or array.dtype.char in "efd":
        return np.asarray(array, np.float32 if array.dtype.char == "e" else None, order="C")[()]
    if array.dtype.kind == "O":
        texts = np.empty(array.size, object)
        as_bytes = name.endswith(_BYTES_SUFFIX)
        texts[:] = [_text(each, as_bytes) for each in array.ravel().tolist()]
        return texts.reshape(array.shape).tolist()
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)[()]
    element = BY_NUMPY.get(array.dtype)
    raise invalid(f"Failed to write JSON value for tensor type: {element.name if element else array.dtype.name}")


def _text(value: bytes | str, as_bytes: bool) -> object:
    content = value.encode() if isinstance(value, str) else value
    return {BASE64: b64encode(content).decode("ascii")} if as_bytes else content.decode("utf-8", "replace")


def _shape_text(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"
