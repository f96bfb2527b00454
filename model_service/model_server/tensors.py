"""TensorProtos to arrays that a session takes, and its arrays to TensorProtos; no loop over elements in Python.

Accepts what ``Tensor::FromProto`` accepts: raw content, value fields with too few elements (the last one fills the
rest, none means zeros) or too many (the rest is ignored). Refuses what it refuses.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from model_service.model_server.dtypes import BY_NUMBER, BY_NUMPY, STRING, ElementType

Array = np.ndarray[Any, np.dtype[Any]]

_MAX_DIMENSIONS = 254
# One value may stand for a whole tensor; a request of a few bytes must not take all the memory for it.
_MAX_FILLED_BYTES = 256 << 20

# Of fields whose packed form is the array's own bytes: the first byte of the field on the wire.
_RAW_TAGS = {
    field: bytes([number << 3 | 2])
    for field, number in (
        ("float_val", 5),
        ("double_val", 6),
        ("scomplex_val", 9),
        ("bool_val", 11),
        ("dcomplex_val", 12),
    )
}
_VARINT_TAGS = {"int_val": b"\x3a", "int64_val": b"\x52", "uint32_val": b"\x82\x01", "uint64_val": b"\x8a\x01"}
_STRING_TYPES = (bytes, str)


def to_array(proto: Any) -> Array:
    """Decode a TensorProto.

    Returns:
        An array of its element type and shape; bytes objects for strings; possibly a read-only view of the message.

    Raises:
        ValueError: the message is no valid tensor.
    """
    element = BY_NUMBER.get(proto.dtype)
    if element is None:
        raise ValueError(f"element type {proto.dtype} cannot be sent")
    shape = [dimension.size for dimension in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or len(shape) > _MAX_DIMENSIONS or any(size < 0 for size in shape):
        raise ValueError("the shape is not fully known")
    count = prod(shape)
    if element is STRING:
        return _to_string_array(proto, shape, count)
    content = proto.tensor_content
    if count == 0:
        return np.empty(_checked_shape(shape), element.numpy)
    if content:
        flat = np.frombuffer(content, element.numpy)  # raises ValueError for half an element
        if flat.size != count:
            raise ValueError(f"{flat.size} elements for the shape {shape}")
        return flat.reshape(shape)
    sent = getattr(proto, element.field)
    values = np.frombuffer(sent, np.uint8) if isinstance(sent, bytes) else np.array(sent, dtype=element.field_numpy)
    return _filled(values.view(element.numpy), count).reshape(shape)


def _checked_shape(shape: list[int]) -> list[int]:
    if prod(size for size in shape if size) > np.iinfo(np.int64).max:
        raise ValueError("the shape has too many elements")
    return shape


def _filled(values: Array, count: int) -> Array:
    """Give ``values`` the wanted number of elements the way TensorFlow does."""
    given = values.size
    if given >= count:
        return values[:count]
    if count * values.itemsize > _MAX_FILLED_BYTES:
        raise ValueError(f"{given} values for {count} elements")
    filled = np.zeros(count, values.dtype)
    if given:
        filled[:given] = values
        filled[given:] = values[-1]
    return filled


def _to_string_array(proto: Any, shape: list[int], count: int) -> Array:
    if count * 8 > _MAX_FILLED_BYTES:
        raise ValueError(f"too many strings: {count}")
    flat = np.full(_checked_shape([count])[0], b"", dtype=object)
    if proto.tensor_content and count:
        flat[:] = _split_strings(proto.tensor_content, count)
    else:
        given = min(len(proto.string_val), count)
        if given:
            flat[:given] = proto.string_val[:given]
            flat[given:] = flat[given - 1]
    return flat.reshape(shape)


def _split_strings(content: bytes, count: int) -> list[bytes]:
    """Split raw string content: ``count`` varint lengths, then the bytes of all strings.

    The lengths are found by their bytes without the high bit; only the strings themselves are cut one by one.
    """
    data = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(data < 0x80)[:count] + 1
    if ends.size < count:
        raise ValueError("string content ends within its lengths")
    starts = np.concatenate([[0], ends[:-1]])
    if int((ends - starts).max()) > 5:
        raise ValueError("a string length is no number")
    lengths = np.zeros(count, np.int64)
    for place in range(int((ends - starts).max())):
        has_place = ends - starts > place
        lengths[has_place] |= (data[starts[has_place] + place] & 0x7F).astype(np.int64) << (7 * place)
    bounds = int(ends[-1]) + np.concatenate([[0], np.cumsum(lengths)])
    if int(bounds[-1]) != len(content):
        raise ValueError("string content does not fit its lengths")
    marks = bounds.tolist()
    return [content[start:end] for start, end in pairwise(marks)]


def fill_proto(proto: Any, value: Any, as_tensor_content: bool) -> None:
    """Fill an empty TensorProto with a result of a session: an array, or bytes for one string.

    Args:
        proto: the message.
        value: the result.
        as_tensor_content: send raw bytes instead of value fields; strings have no raw form.

    Raises:
        ValueError: the element type cannot be sent.
    """
    if isinstance(value, _STRING_TYPES):
        proto.dtype = STRING.number
        proto.tensor_shape.SetInParent()
        proto.string_val.append(value)
        return
    array = np.asarray(value)
    element = BY_NUMPY.get(array.dtype) or _string_or_refuse(array)
    proto.dtype = element.number
    shape = proto.tensor_shape
    shape.SetInParent()
    add_dimension = shape.dim.add
    for size in array.shape:
        add_dimension(size=size)
    if element is STRING:
        proto.string_val.extend(array.ravel().tolist())
    elif as_tensor_content:
        proto.tensor_content = array.tobytes()
    elif array.size:
        _fill_values(proto, array, element)


def _string_or_refuse(array: Array) -> ElementType:
    if array.dtype.kind == "O":
        return STRING
    raise ValueError(f"an output of type {array.dtype} cannot be sent")


def _fill_values(proto: Any, array: Array, element: ElementType) -> None:
    tag = _RAW_TAGS.get(element.field)
    if tag is not None:
        proto.MergeFromString(tag + varint(array.nbytes) + array.tobytes())
        return
    flat = array.reshape(-1)
    if element.numpy is not element.field_numpy:  # int_val has numbers, the other fields have bits
        flat = flat.astype(element.field_numpy) if element.field == "int_val" else flat.view(element.field_numpy)
    if element.field == "float8_val":
        proto.float8_val = flat.tobytes()
        return
    tag = _VARINT_TAGS.get(element.field)
    if tag is not None and flat.min() >= 0 and flat.max() < 0x80:  # a small number is its own varint
        proto.MergeFromString(tag + varint(flat.size) + flat.astype(np.uint8).tobytes())
        return
    getattr(proto, element.field).extend(flat.tolist())


def varint(number: int) -> bytes:
    """Return a number in the variable-length form of protobuf."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
