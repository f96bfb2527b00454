"""Whatever a hook returned, as the types JSON has; done once, before the value is checked and encoded."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from model_service.errors import ModelServiceError
from model_service.package.schema import child_pointer

JsonValue = Any  # None | bool | int | float | str | list[JsonValue] | dict[str, JsonValue]

_ENCODER = json.JSONEncoder(ensure_ascii=False)  # json.dumps would make one for every call
_SCALAR_TYPES = frozenset({str, int, float, bool, type(None)})


class NotJson(ModelServiceError):
    """A result holds something JSON cannot say."""


def to_json_value(value: object, pointer: str = "") -> JsonValue:
    """Turn tuples into lists and NumPy values into numbers, lists and booleans; leave JSON's own types alone.

    Raises:
        NotJson: bytes, sets, objects, keys that are no JSON keys, or a value that contains itself. The message gives
            the JSON pointer.
    """
    try:
        return _convert(value, pointer)
    except RecursionError as error:
        raise NotJson("the result contains itself, or nests too deeply") from error


def _convert(value: object, pointer: str) -> JsonValue:
    kind = type(value)
    if kind in _SCALAR_TYPES:
        return value
    if kind is list and _SCALAR_TYPES.issuperset(map(type, value)):  # type: ignore[call-overload]
        return value
    if isinstance(value, dict):
        return {_key(key, pointer): _convert(item, child_pointer(pointer, str(key))) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_convert(item, f"{pointer}/{index}") for index, item in enumerate(value)]
    if isinstance(value, np.ndarray):
        return _convert(value.tolist(), pointer)
    if isinstance(value, np.longdouble):
        return float(value)
    if isinstance(value, np.generic):
        return _convert(value.item(), pointer) if not isinstance(value, np.void) else _refuse(value, pointer)
    if isinstance(value, bool | int | float | str):  # subclasses: IntEnum, np.str_ and the like
        return value
    return _refuse(value, pointer)


def _key(key: object, pointer: str) -> str:
    """Spell a key as ``json.dumps`` does."""
    if isinstance(key, np.generic):
        key = key.item()
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    raise NotJson(f"the result has a key of type {type(key).__name__} at {pointer or 'its top level'}")


def _refuse(value: object, pointer: str) -> JsonValue:
    hint = "; decode it, for example with value.decode()" if isinstance(value, bytes) else ""
    place = pointer or "its top level"
    raise NotJson(f"the result has a value of type {type(value).__name__} at {place}, which JSON cannot say{hint}")


def encode_json(value: JsonValue) -> bytes:
    """Encode a value of :func:`to_json_value` as the original runtime did.

    Characters beyond ASCII are not escaped; NaN and Infinity are bare words.

    Raises:
        NotJson: text that is no valid Unicode (a lone surrogate).
    """
    try:
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError as error:
        raise NotJson("the result has text that is not valid Unicode (a lone surrogate)") from error
    except ValueError as error:  # an integer with thousands of digits
        raise NotJson(f"the result cannot be written: {error}") from error
