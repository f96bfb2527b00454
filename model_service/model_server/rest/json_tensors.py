"""The JSON of ``:predict``: instances (rows) or inputs (columns) to arrays, and arrays to predictions or outputs.

Rules and texts are the real server's; lists are flattened, checked and converted without a loop over elements.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from enum import Enum, unique
from itertools import chain
from typing import Any

import numpy as np

from model_service.model_server.dtypes import BY_NUMBER, BY_NUMPY, STRING, WITHOUT_JSON, type_name
from model_service.model_server.engine import Signature, SignatureInput
from model_service.model_server.rest import json_text
from model_service.model_server.rest.json_text import shown
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

_INSTANCES, _INPUTS = "instances", "inputs"
_MAX_DIMENSIONS = 64  # NumPy's
_BASE64 = "b64"
_BYTES_SUFFIX = "_bytes"
_URL_SAFE = str.maketrans("-_", "+/")
_BASE64_SPACE = re.compile(r"\s+")
_MANTISSA_BITS = {"e": 11, "f": 24, "d": 53}


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
        raise _invalid(
            f"JSON Value: {shown(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if _INSTANCES in document:
        return _read_rows(document, signature)
    if _INPUTS in document:
        return _read_columns(document[_INPUTS], signature)
    raise _invalid("Missing 'inputs' or 'instances' key")


def _read_rows(document: Mapping[str, Any], signature: Signature) -> dict[str, Array]:
    instances = document[_INSTANCES]
    if not isinstance(instances, list):
        raise _invalid(f"JSON Value: {shown(document)} Excepting 'instances' to be an list/array")
    if not instances:
        raise _invalid(f"JSON Value: {shown(document)} No values in 'instances' array")
    if not isinstance(instances[0], dict) and len(signature.inputs) > 1:
        raise _invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    are_objects = _is_object(instances[0])
    for place, each in enumerate(instances):
        if _is_object(each) != are_objects:
            kinds = ("object but got list", "value/list but got object")
            raise _invalid(f"Expecting {kinds[not are_objects]} at item {place} of input list")
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
            raise _invalid(f"Failed to process element: {place} key: {name} of 'instances' list. Error: {error}")
        if each.keys() != first or wanted - optional - each.keys():
            raise _invalid(
                f"Failed to process element: {place} of 'instances' list. JSON object: {shown(each)} keys must be "
                f"equal to: {','.join(sorted(wanted))}"
            )


def _read_batch(values: list[Any], entry: SignatureInput, key_text: str) -> Array:
    """Convert one value per row; when that fails find the row that is to blame."""
    try:
        return _to_array(values, entry)
    except ServingError:
        _blame(values, entry, key_text)
        raise


def _blame(values: list[Any], entry: SignatureInput, key_text: str) -> None:
    shape: tuple[int, ...] | None = None
    for place, value in enumerate(values):
        try:
            array = _to_array(value, entry)
            if shape is not None and array.size != np.prod(shape, dtype=int):
                raise _invalid(f"Expecting tensor size: {np.prod(shape, dtype=int)} but got: {array.size}")
            if shape is not None and array.shape != shape:
                raise _invalid(f"Expecting shape {_shape_text(shape)} but got: {_shape_text(array.shape)}")
        except ServingError as error:
            raise _invalid(
                f"Failed to process element: {place}{key_text} of 'instances' list. Error: {error}"
            ) from None
        shape = array.shape


def _read_columns(inputs: Any, signature: Signature) -> dict[str, Array]:
    if not _is_object(inputs):
        if len(signature.inputs) > 1:
            raise _invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        entry = signature.inputs[0]
        return {entry.alias: _to_array(inputs, entry)}
    arrays = {}
    for entry in signature.inputs:
        if entry.alias in inputs:
            arrays[entry.alias] = _to_array(inputs[entry.alias], entry)
        elif entry.default is None:
            raise _invalid(f"Missing named input: {entry.alias} in 'inputs' object.")
    return arrays


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def is_base64(value: Any) -> bool:
    """Whether a value is ``{"b64": "..."}``."""
    return isinstance(value, dict) and value.keys() == {_BASE64} and isinstance(value[_BASE64], str)


def decode_base64(value: Any) -> bytes:
    """Decode ``{"b64": "..."}``, in either alphabet, padded or not.

    Raises:
        ServingError: it is something else, or no base64.
    """
    if not is_base64(value):
        raise _invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = _BASE64_SPACE.sub("", value[_BASE64]).rstrip("=").translate(_URL_SAFE)
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid("Unable to base64 decode") from error


def _to_array(value: Any, entry: SignatureInput) -> Array:
    shape, leaves = _flatten(value)
    element = BY_NUMBER.get(entry.dtype)
    if element is None or element.number in WITHOUT_JSON:
        raise ServingError(
            Code.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(value)} to type: {type_name(entry.dtype)}"
        )
    kinds = set(map(type, leaves))
    if element is STRING:
        return _string_array(leaves, kinds, entry).reshape(shape)
    if element.numpy.kind == "b":
        _require(kinds <= {bool}, leaves, (bool,), entry)
        return np.array(leaves, np.bool_).reshape(shape)
    if element.numpy.kind in "iu":
        _require(kinds <= {int}, leaves, (int,), entry)
        return _integer_array(leaves, element.numpy, entry).reshape(shape)
    _require(kinds <= {int, float}, leaves, (int, float), entry)
    return _float_array(leaves, kinds, element.numpy, entry).reshape(shape)


def _flatten(value: Any) -> tuple[list[int], list[Any]]:
    """Return shape and elements of nested lists."""
    if not isinstance(value, list):
        return [], [value]
    shape = [len(value)]
    level = value
    while level and isinstance(level[0], list):
        _require_lists(level, len(shape))
        sizes = set(map(len, level))
        size = len(level[0])
        if len(sizes) > 1:
            other = next(len(each) for each in level if len(each) != size)
            raise _invalid(f"Encountered list at unexpected size: {other} at level: {len(shape)} expected size: {size}")
        shape.append(size)
        if len(shape) > _MAX_DIMENSIONS:
            raise _invalid(f"Lists are nested more than {_MAX_DIMENSIONS} deep")
        level = list(chain.from_iterable(level))
    if list in set(map(type, level)):
        raise _invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return shape, level


def _require_lists(level: list[Any], depth: int) -> None:
    if set(map(type, level)) != {list}:
        value = next(each for each in level if not isinstance(each, list))
        raise _invalid(
            f"JSON Value: {shown(value)} found at incorrect level: {depth + 1} in the JSON DOM. Expected at level: "
            f"{depth + 1}"
        )


def _require(are_right: bool, leaves: list[Any], kinds: tuple[type, ...], entry: SignatureInput) -> None:
    if not are_right:
        raise _type_error(next(each for each in leaves if type(each) not in kinds), entry)


def _type_error(value: object, entry: SignatureInput) -> ServingError:
    return _invalid(
        f"JSON Value: {shown(value)} Type: {json_text.type_name(value)} is not of expected type: "
        f"{type_name(entry.dtype)}"
    )


def _string_array(leaves: list[Any], kinds: set[type], entry: SignatureInput) -> Array:
    _require(kinds <= {str, dict}, leaves, (str, dict), entry)
    array = np.empty(len(leaves), object)
    try:
        array[:] = [each.encode() if isinstance(each, str) else decode_base64(each) for each in leaves]
    except UnicodeEncodeError as error:
        raise _invalid("JSON Parse error: The surrogate pair in string is invalid.") from error
    return array


def _integer_array(leaves: list[int], numpy: np.dtype[Any], entry: SignatureInput) -> Array:
    limits = np.iinfo(numpy)
    if leaves and (min(leaves) < limits.min or max(leaves) > limits.max):
        raise _type_error(next(each for each in leaves if not limits.min <= each <= limits.max), entry)
    return np.array(leaves, numpy)


def _float_array(leaves: list[Any], kinds: set[type], numpy: np.dtype[Any], entry: SignatureInput) -> Array:
    """Convert numbers; integers that the type cannot hold exactly are refused, as are numbers beyond its range."""
    limits = _float_limits(numpy)
    if int in kinds:
        largest = 2 ** _MANTISSA_BITS.get(numpy.char, 8) - 1
        if any(type(each) is int and abs(each) > largest for each in leaves):
            value = next(each for each in leaves if type(each) is int and abs(each) > largest)
            raise _lossy(value, entry)
    wide = np.array(leaves, np.float64)
    finite = wide[np.isfinite(wide)]
    if finite.size and np.abs(finite).max() > limits:
        raise _lossy(next(each for each in leaves if np.isfinite(each) and abs(each) > limits), entry)
    return wide.astype(numpy)


def _float_limits(numpy: np.dtype[Any]) -> float:
    return float(np.finfo(numpy).max) if numpy.kind == "f" else 3.3895313892515355e38  # bfloat16


def _lossy(value: object, entry: SignatureInput) -> ServingError:
    return _invalid(f"Cannot convert JSON value: {shown(value)} to {type_name(entry.dtype)} without loss of precision.")


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
            raise _invalid(f"Tensor name: {name} has no shape information ")
        if batch is not None and len(value) != batch:
            raise _invalid(f"Tensor name: {name} has inconsistent batch size: {len(value)} expecting: {batch}")
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
    raise _invalid(f"Failed to write JSON value for tensor type: {element.name if element else array.dtype.name}")


def _text(value: bytes | str, as_bytes: bool) -> object:
    content = value.encode() if isinstance(value, str) else value
    return {_BASE64: b64encode(content).decode("ascii")} if as_bytes else content.decode("utf-8", "replace")


def _shape_text(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _invalid(message: str) -> ServingError:
    return ServingError(Code.INVALID_ARGUMENT, message)
