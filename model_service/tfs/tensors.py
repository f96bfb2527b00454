"""Values to TensorProto and back.

Out: anything the signature takes becomes raw bytes in ``tensor_content``. In: raw bytes are viewed, value fields are
decoded as packed arrays; no Python loop runs over elements, except of strings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from model_service.errors import InputRefused
from model_service.tfs.dtypes import BFLOAT16, BY_NAME, BY_NUMBER, BY_NUMPY, STRING, DType
from model_service.tfs.protos import tensor_pb2
from model_service.tfs.signature import TensorSpec


def set_tensor(proto: Any, value: object, spec: TensorSpec) -> None:
    """Fill an empty TensorProto with ``value`` as the element type of ``spec``.

    Accepted for ``value``: arrays and NumPy scalars of that type, nested lists and numbers of Python, integers and
    other float types for a float type (a value that would become infinite is refused), str and bytes for strings.

    Raises:
        InputRefused: it cannot be converted without surprise; the message names the tensor, what was given, what
            is wanted.
    """
    array = as_array(value, spec)
    proto.dtype = spec.dtype.as_datatype_enum
    _set_shape(proto, array)
    if spec.dtype is STRING:
        proto.string_val.extend(_as_bytes(array, spec))
        return
    proto.tensor_content = array.tobytes()


def _set_shape(proto: Any, array: np.ndarray[Any, Any]) -> None:
    add = proto.tensor_shape.dim.add
    for size in array.shape:
        add().size = size
    if not array.shape:
        proto.tensor_shape.SetInParent()


def as_array(value: object, spec: TensorSpec) -> np.ndarray[Any, Any]:
    """Convert ``value`` to the element type of ``spec``, as :func:`set_tensor` does; bfloat16 becomes its uint16 bits.

    Raises:
        InputRefused: it cannot be converted without surprise.
    """
    wanted = spec.dtype
    if type(value) is np.ndarray and value.dtype == wanted.numpy and wanted is not BFLOAT16:
        return value
    if wanted is STRING and not isinstance(value, (np.ndarray, np.generic)):
        return _object_array(value, spec)
    try:
        array = np.asarray(value)
    except ValueError as error:  # a ragged list
        raise _refused(spec, f"{_describe(value)} whose rows differ in length", str(error)) from error
    if array.dtype == object and wanted is not STRING:
        raise _refused(spec, _describe(value), "elements that are no numbers, or rows that differ in length")
    if wanted is STRING:
        if array.dtype.kind in "OSU":
            return array
        raise _refused(spec, _describe(value, array))
    return _converted(array, value, spec)


def _converted(array: np.ndarray[Any, Any], value: object, spec: TensorSpec) -> np.ndarray[Any, Any]:
    wanted, source = spec.dtype, array.dtype
    from_python = not isinstance(value, (np.ndarray, np.generic))
    if array.size == 0 and from_python:  # [] has no type of its own
        return array.astype(wanted.numpy)
    if source.name == "bfloat16":  # of the package ml_dtypes, which NumPy counts among no kind
        if wanted is BFLOAT16:
            return array.view(np.uint16)
        array = array.astype(np.float32)
        source = array.dtype
    if wanted is BFLOAT16:
        if source.kind not in "fiu":
            raise _refused(spec, _describe(value, array))
        with np.errstate(over="ignore"):
            bits = _to_bfloat16(array.astype(np.float32))
        if np.any((bits & 0x7FFF == 0x7F80) & np.isfinite(array)):
            raise _refused(spec, _describe(value, array), "a value is too large")
        return bits
    if source == wanted.numpy:
        return array
    if _is_safe(source, wanted, from_python):
        with np.errstate(over="ignore"):
            converted = array.astype(wanted.numpy)
        if wanted.numpy.kind in "iu" and not np.array_equal(converted, array):
            raise _refused(spec, _describe(value, array), "a value does not fit")
        if wanted.numpy.kind == "f" and np.any(np.isinf(converted) & np.isfinite(array)):
            raise _refused(spec, _describe(value, array), "a value is too large")
        return converted
    raise _refused(spec, _describe(value, array))


def _is_safe(source: np.dtype, wanted: DType, from_python: bool) -> bool:
    """Whether every author would expect this conversion: no fraction, no sign and no truth value is lost."""
    target = wanted.numpy
    if target.kind == "f":
        return source.kind in "iuf"
    if target.kind == "c":
        return source.kind == "c"
    if target.kind in "iu" and source.kind in "iu":
        # Python's int has no width; an array's width was its author's choice and may only grow
        return from_python or bool(np.can_cast(source, target, "safe"))
    return False


def _to_bfloat16(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Round float32 to the nearest bfloat16, ties to even; return the uint16 bit patterns."""
    bits = np.ascontiguousarray(array).view(np.uint32)  # of rank 1 at least
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(array), 0x7FC0, rounded.reshape(array.shape)).astype(np.uint16)


def _object_array(value: object, spec: TensorSpec) -> np.ndarray[Any, Any]:
    """Nested lists as objects: NumPy's own text types would cut trailing NULs, and refuse bytes beside text."""
    try:
        return np.array(value, dtype=object)
    except ValueError as error:  # a ragged list
        raise _refused(spec, f"{_describe(value)} whose rows differ in length", str(error)) from error


def _as_bytes(array: np.ndarray[Any, Any], spec: TensorSpec) -> list[bytes]:
    elements = []
    for element in array.ravel().tolist():
        if isinstance(element, str):
            try:
                elements.append(element.encode())
            except UnicodeEncodeError as error:
                raise _refused(spec, "text that is not valid Unicode (a lone surrogate)") from error
        elif isinstance(element, bytes):
            elements.append(element)
        else:
            raise _refused(spec, f"an element of type {type(element).__name__}")
    return elements


def _describe(value: object, array: np.ndarray[Any, Any] | None = None) -> str:
    if array is None and isinstance(value, np.ndarray):
        array = value
    if array is None:
        return type(value).__name__
    return f"{array.dtype} {list(array.shape)}"


def _refused(spec: TensorSpec, got: str, why: str | None = None) -> InputRefused:
    reason = f" ({why})" if why else ""
    advised = {STRING: "object", BFLOAT16: "'float32'"}.get(spec.dtype, repr(spec.dtype.name))
    return InputRefused(
        f"input tensor {spec.name!r}: the package sends {got}{reason}, the model wants {spec}. "
        f"Convert it in _preprocess, for example with np.asarray(value, dtype={advised})."
    )


def to_array(proto: Any) -> np.ndarray[Any, Any]:
    """Decode a TensorProto into an array of its shape; strings give an object array of bytes.

    The array may be a read-only view of the message. bfloat16 comes back as float32.

    Raises:
        ValueError: the element type cannot be carried, or the content does not fit the shape.
    """
    dtype = BY_NUMBER.get(proto.dtype)
    if dtype is None:
        raise ValueError(f"the server answered with an element type (number {proto.dtype}) that is not supported")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    count = math.prod(shape)
    if dtype is STRING:
        strings = _raw_strings(proto.tensor_content, count) if proto.tensor_content else proto.string_val
        flat = np.empty(len(strings), dtype=object)
        flat[:] = strings
    elif proto.tensor_content:
        flat = np.frombuffer(proto.tensor_content, dtype=dtype.numpy)
    else:
        flat = _from_value_field(getattr(proto, dtype.value_field), dtype)
    if flat.size > count:
        raise ValueError(f"{flat.size} elements do not fill the shape {list(shape)}")
    if flat.size == 0:  # no value at all stands for zeros
        flat = np.full(count, b"", dtype=object) if dtype is STRING else np.zeros(count, dtype=dtype.numpy)
    elif flat.size < count:
        flat = np.concatenate([flat, np.repeat(flat[-1:], count - flat.size)])  # the last value stands for the rest
    if dtype is BFLOAT16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.reshape(shape)


def _raw_strings(content: bytes, count: int) -> list[bytes]:
    """Split the raw form of strings: the length of each as a varint, then the bytes of all."""
    lengths = []
    position = 0
    try:
        for _ in range(count):
            length = shift = 0
            while content[position] & 0x80:
                length |= (content[position] & 0x7F) << shift
                shift += 7
                position += 1
            lengths.append(length | content[position] << shift)
            position += 1
    except IndexError as error:
        raise ValueError(f"the raw form of {count} strings ends too early") from error
    if position + sum(lengths) != len(content):
        raise ValueError(f"the raw form of {count} strings has {len(content)} bytes")
    strings = []
    for length in lengths:
        strings.append(content[position : position + length])
        position += length
    return strings


def _from_value_field(values: Any, dtype: DType) -> np.ndarray[Any, Any]:
    if dtype.value_field == "half_val":
        return np.array(values, dtype=np.uint16).view(dtype.numpy)
    if dtype.numpy.kind == "c":
        part = np.float32 if dtype.numpy.itemsize == 8 else np.float64
        return np.array(values, dtype=part).view(dtype.numpy)
    return np.array(values, dtype=dtype.numpy)


def make_tensor_proto(values: object, dtype: object = None, shape: Sequence[int] | None = None) -> Any:
    """Make a TensorProto; what user code finds under the name it has in TensorFlow.

    Args:
        values: an array, a number, text, or nested lists of them.
        dtype: a ``tf.DType``, its number, or a NumPy type; without it Python floats become float32 and Python ints
            int32 when they fit, arrays keep theirs.
        shape: the wanted shape; a single value is repeated to fill it.

    Raises:
        InputRefused: the values have no element type TensorFlow knows, or not the one asked for.
        ValueError: the values do not fill the shape.
    """
    is_array = isinstance(values, (np.ndarray, np.generic))
    array = np.asarray(values)
    if dtype is not None:
        wanted = _find_dtype(dtype)
        if is_array and wanted is not STRING and wanted is not BFLOAT16:
            array = array.astype(wanted.numpy)
    else:
        wanted = _found_dtype(values, array)
        array = array if is_array else _narrowed(array)
    value: object = array if is_array or (dtype is None and wanted is not STRING) else values
    if shape is not None:
        fitted = np.array(value, dtype=object) if wanted is STRING else np.asarray(value)
        value = np.full(tuple(shape), fitted.ravel()[0]) if fitted.size == 1 else fitted.reshape(tuple(shape))
    proto = tensor_pb2.TensorProto()
    set_tensor(proto, value, TensorSpec("value", wanted, None))
    return proto


def _found_dtype(values: object, array: np.ndarray[Any, Any]) -> DType:
    if array.dtype.kind in "OSU":
        return STRING
    if array.dtype.name == "bfloat16":
        return BFLOAT16
    narrowed = array if isinstance(values, (np.ndarray, np.generic)) else _narrowed(array)
    found = BY_NUMPY.get(narrowed.dtype)
    if found is None:
        raise InputRefused(f"a tensor cannot be made of {_describe(values, array)}")
    return found


def _find_dtype(dtype: object) -> DType:
    number = getattr(dtype, "as_datatype_enum", dtype)
    if isinstance(number, int) and number in BY_NUMBER:
        return BY_NUMBER[number]
    if isinstance(dtype, str) and dtype in BY_NAME:
        return BY_NAME[dtype]
    try:
        numpy = np.dtype(dtype)  # type: ignore[call-overload]
        return STRING if numpy.kind in "OSU" else BY_NUMPY[numpy]
    except (KeyError, TypeError) as error:
        raise InputRefused(f"{dtype!r} is no element type that can be sent") from error


def _narrowed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):  # as TensorFlow: infinite
            return array.astype(np.float32)
    if array.dtype == np.int64 and np.array_equal(array.astype(np.int32), array):
        return array.astype(np.int32)
    return array
