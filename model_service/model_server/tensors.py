"""TensorProtos to arrays that TensorFlow takes, and its arrays to TensorProtos; no loop over elements in Python."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from model_service.tfs.dtypes import BFLOAT16, BY_NUMPY, STRING, DType
from model_service.tfs.tensors import to_array

_FIELD_NUMBERS = {"float_val": 5, "double_val": 6}
_LENGTH_DELIMITED = 2


def to_feed(proto: Any) -> np.ndarray[Any, Any]:
    """Decode a TensorProto into an array of its element type and shape.

    Raises:
        ValueError: the element type is unknown, or the content does not fit the shape.
    """
    array = to_array(proto)
    if proto.dtype == BFLOAT16.as_datatype_enum:
        return array.astype(ml_dtypes.bfloat16)  # exact: the values came from 16 bits
    return array


def fill_proto(proto: Any, array: np.ndarray[Any, Any], as_tensor_content: bool) -> None:
    """Fill an empty TensorProto; by value fields as the real server does, or as raw bytes."""
    array = np.asarray(array)
    dtype = _dtype_of(array)
    proto.dtype = dtype.as_datatype_enum
    add = proto.tensor_shape.dim.add
    for size in array.shape:
        add().size = size
    if not array.shape:
        proto.tensor_shape.SetInParent()
    if dtype is STRING:
        proto.string_val.extend(_as_bytes(array))
    elif as_tensor_content:
        proto.tensor_content = array.tobytes()
    elif dtype.value_field in _FIELD_NUMBERS:
        # A packed repeated field of fixed width is its little-endian bytes behind a tag and a length.
        tag = _FIELD_NUMBERS[dtype.value_field] << 3 | _LENGTH_DELIMITED
        content = array.tobytes()
        if content:
            proto.MergeFromString(bytes([tag]) + _varint(len(content)) + content)
    else:
        getattr(proto, dtype.value_field).extend(_field_values(array, dtype).tolist())


def _dtype_of(array: np.ndarray[Any, Any]) -> DType:
    if array.dtype.kind in "OSU":
        return STRING
    if array.dtype == ml_dtypes.bfloat16:
        return BFLOAT16
    try:
        return BY_NUMPY[array.dtype]
    except KeyError:
        raise ValueError(f"an output of type {array.dtype} cannot be sent") from None


def _as_bytes(array: np.ndarray[Any, Any]) -> list[bytes]:
    elements: list[bytes] = array.ravel().tolist()
    return elements


def _field_values(array: np.ndarray[Any, Any], dtype: DType) -> np.ndarray[Any, Any]:
    flat = array.ravel()
    if dtype.value_field == "half_val":
        return flat.view(np.uint16)
    if dtype.numpy.kind == "c":
        return flat.view(np.float32 if dtype.numpy.itemsize == 8 else np.float64)
    return flat


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
