"""JSON values to arrays: lists are flattened, checked and converted without a loop over elements."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from itertools import chain
from typing import Any

import numpy as np

from model_service.model_server.dtypes import BY_NUMBER, STRING, WITHOUT_JSON, type_name
from model_service.model_server.engine import SignatureInput
from model_service.model_server.rest import json_text
from model_service.model_server.rest.json_text import shown
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

BASE64 = "b64"
_MAX_DIMENSIONS = 64  # NumPy's
_URL_SAFE = str.maketrans("-_", "+/")
_BASE64_SPACE = re.compile(r"\s+")
_MANTISSA_BITS = {"e": 11, "f": 24, "d": 53}


def is_base64(value: Any) -> bool:
    """Whether a value is ``{"b64": "..."}``."""
    return isinstance(value, dict) and value.keys() == {BASE64} and isinstance(value[BASE64], str)


def decode_base64(value: Any) -> bytes:
    """Decode ``{"b64": "..."}``, in either alphabet, padded or not.

    Raises:
        ServingError: it is something else, or no base64.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = _BASE64_SPACE.sub("", value[BASE64]).rstrip("=").translate(_URL_SAFE)
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("Unable to base64 decode") from error


def to_array(value: Any, entry: SignatureInput) -> Array:
    """Convert a value, or lists of values nested to one depth.

    Args:
        value: as parsed.
        entry: the input that it is for.

    Returns:
        An array of the input's element type, with one dimension per level of lists.

    Raises:
        ServingError: the lists are ragged, or a value does not fit the type.
    """
    shape, leaves, kinds = _flatten(value)
    element = BY_NUMBER.get(entry.dtype)
    if element is None or element.number in WITHOUT_JSON:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {shown(leaves[0] if leaves else value)} to type: {type_name(entry.dtype)}",
        )
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


def _flatten(value: Any) -> tuple[list[int], list[Any], set[type]]:
    """Return shape, elements, and the elements' types of nested lists."""
    if not isinstance(value, list):
        return [], [value], {type(value)}
    shape = [len(value)]
    level = value
    while level and isinstance(level[0], list):
        _require_lists(level, value, len(shape))
        sizes = set(map(len, level))
        size = len(level[0])
        if len(sizes) > 1:
            other = next(len(each) for each in level if len(each) != size)
            raise invalid(f"Encountered list at unexpected size: {other} at level: {len(shape)} expected size: {size}")
        shape.append(size)
        if len(shape) > _MAX_DIMENSIONS:
            raise invalid(f"Lists are nested more than {_MAX_DIMENSIONS} deep")
        level = list(chain.from_iterable(level))
    kinds = set(map(type, level))
    if list in kinds:
        raise invalid(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return shape, level, kinds


def _require_lists(level: list[Any], value: Any, depth: int) -> None:
    if set(map(type, level)) != {list}:
        leaf = next(each for each in level if not isinstance(each, list))
        raise invalid(
            f"JSON Value: {shown(leaf)} found at incorrect level: {depth + 1} in the JSON DOM. Expected at level: "
            f"{_rank(value)}"
        )


def _rank(value: Any) -> int:
    """How deep the first elements of nested lists go."""
    rank = 0
    while isinstance(value, list):
        rank += 1
        value = value[0] if value else None
    return rank


def _require(are_right: bool, leaves: list[Any], kinds: tuple[type, ...], entry: SignatureInput) -> None:
    if not are_right:
        raise _type_error(next(each for each in leaves if type(each) not in kinds), entry)


def _type_error(value: object, entry: SignatureInput) -> ServingError:
    return invalid(
        f"JSON Value: {shown(value)} Type: {json_text.type_name(value)} is not of expected type: "
        f"{type_name(entry.dtype)}"
    )


def _string_array(leaves: list[Any], kinds: set[type], entry: SignatureInput) -> Array:
    _require(kinds <= {str, dict}, leaves, (str, dict), entry)
    array = np.empty(len(leaves), object)
    try:
        array[:] = [each.encode() if isinstance(each, str) else decode_base64(each) for each in leaves]
    except UnicodeEncodeError as error:
        raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from error
    return array


def _integer_array(leaves: list[int], numpy: np.dtype[Any], entry: SignatureInput) -> Array:
    limits = np.iinfo(numpy)
    if leaves and (min(leaves) < limits.min or max(leaves) > limits.max):
        raise _type_error(next(each for each in leaves if not limits.min <= each <= limits.max), entry)
    return np.array(leaves, numpy)


def _float_array(leaves: list[Any], kinds: set[type], numpy: np.dtype[Any], entry: SignatureInput) -> Array:
    """Convert numbers; integers that the type cannot hold exactly are refused, as are numbers beyond its range."""
    wide = np.fromiter(leaves, np.float64, len(leaves))
    limit = _float_limits(numpy)
    largest_integer = 2 ** _MANTISSA_BITS.get(numpy.char, 8) - 1
    suspect = min(limit, largest_integer) if int in kinds else limit
    sizes = np.abs(wide)
    for place in np.flatnonzero(np.isfinite(sizes) & (sizes > suspect)).tolist():
        value = leaves[place]
        if abs(value) > (largest_integer if type(value) is int else limit):
            raise _lossy(value, entry)
    return wide.astype(numpy)


def _float_limits(numpy: np.dtype[Any]) -> float:
    return float(np.finfo(numpy).max) if numpy.kind == "f" else 3.3895313892515355e38  # bfloat16


def _lossy(value: object, entry: SignatureInput) -> ServingError:
    return invalid(f"Cannot convert JSON value: {shown(value)} to {type_name(entry.dtype)} without loss of precision.")


def invalid(message: str) -> ServingError:
    """Make the error of a body that cannot be used."""
    return ServingError(Code.INVALID_ARGUMENT, message)
