"""Values to TensorProto and back.

Out: anything the signature takes becomes raw bytes in ``tensor_content``. In: raw bytes are viewed, value fields are
decoded as packed arrays; no Python loop runs over elements, except of strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model_service.errors import InputRefused
from model_service.tfs.dtypes import BFLOAT16, BY_NUMBER, BY_NUMPY, STRING, DType
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
    array = _as_array(value, spec)
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


def _as_array(value: object, spec: TensorSpec) -> np.ndarray[Any, Any]:
    wanted = spec.dtype
    if type(value) is np.ndarray and value.dtype == wanted.numpy and wanted is not BFLOAT16:
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:  # a ragged list
        raise _refused(spec, f"{_describe(value)} whose rows differ in length", str(error)) from error
    if array.dtype == object and wanted is not STRING:
        raise _refused(spec, _describe(value), "elements that are no numbers, or rows that differ in length")
    if wanted is STRING:
        if array.dtype.kind in "OSU":
            # np.asarray would cut trailing NULs off bytes; go back to the objects
            return array if isinstance(value, np.ndarray) else _object_array(value, array.shape)
        raise _refused(spec, _describe(value, array))
    return _converted(array, value, spec)


def _converted(array: np.ndarray[Any, Any], value: object, spec: TensorSpec) -> np.ndarray[Any, Any]:
    wanted, source = spec.dtype, array.dtype
    from_python = not isinstance(value, (np.ndarray, np.generic))
    if array.size == 0 and from_python:  # [] has no type of its own
        return array.astype(wanted.numpy)
    if wanted is BFLOAT16:
        if source.name == "bfloat16":
            return array.view(np.uint16)
        if source.kind in "fiu":
            return _to_bfloat16(array.astype(np.float32))
        raise _refused(spec, _describe(value, array))
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
    bits = np.ascontiguousarray(array).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(array), 0x7FC0, rounded).astype(np.uint16)


def _object_array(value: object, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    array = np.empty(shape, dtype=object)
    array[...] = np.asarray(value, dtype=object)
    return array


def _as_bytes(array: np.ndarray[Any, Any], spec: TensorSpec) -> list[bytes]:
    elements = []
    for element in array.ravel().tolist():
        if isinstance(element, str):
            elements.append(element.encode())
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
    return InputRefused(
        f"input tensor {spec.name!r}: the package sends {got}{reason}, the model wants {spec}. "
        f"Convert it in _preprocess, for example with np.asarray(value, dtype={spec.dtype.name!r})."
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
    if dtype is STRING:
        flat = np.empty(len(proto.string_val), dtype=object)
        flat[:] = proto.string_val
    elif proto.tensor_content:
        flat = np.frombuffer(proto.tensor_content, dtype=dtype.numpy)
    else:
        flat = _from_value_field(getattr(proto, dtype.value_field), dtype)
    count = 1
    for size in shape:
        count *= size
    if flat.size != count:
        if flat.size == 0 or flat.size > count:
            raise ValueError(f"{flat.size} elements do not fill the shape {list(shape)}")
        flat = np.concatenate([flat, np.repeat(flat[-1:], count - flat.size)])  # the last value stands for the rest
    if dtype is BFLOAT16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.reshape(shape)


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
    array = np.asarray(values)
    if dtype is not None:
        wanted = _find_dtype(dtype)
    else:
        if not isinstance(values, (np.ndarray, np.generic)):
            array = _narrowed(array)
        found = STRING if array.dtype.kind in "OSU" else BY_NUMPY.get(array.dtype)
        if found is None:
            raise InputRefused(f"a tensor cannot be made of {_describe(values, array)}")
        wanted = found
    value: object = values if wanted is STRING or dtype is not None else array
    if shape is not None:
        fitted = _object_array(value, array.shape) if wanted is STRING else np.asarray(value)
        value = np.broadcast_to(fitted, tuple(shape)) if fitted.size == 1 else fitted.reshape(tuple(shape))
    proto = tensor_pb2.TensorProto()
    set_tensor(proto, value, TensorSpec("value", wanted, None))
    return proto


def _find_dtype(dtype: object) -> DType:
    number = getattr(dtype, "as_datatype_enum", dtype)
    if isinstance(number, int) and number in BY_NUMBER:
        return BY_NUMBER[number]
    try:
        return BY_NUMPY[np.dtype(dtype)]  # type: ignore[call-overload]
    except (KeyError, TypeError) as error:
        raise InputRefused(f"{dtype!r} is no element type that can be sent") from error


def _narrowed(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and np.array_equal(array.astype(np.int32), array):
        return array.astype(np.int32)
    return array
