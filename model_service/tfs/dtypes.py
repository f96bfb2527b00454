"""TensorFlow's element types: their numbers on the wire, their names, and their NumPy counterparts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# bfloat16 is the upper half of a float32; without the ml_dtypes package its elements are handled as 16-bit patterns.
_BFLOAT16_BITS = np.dtype(np.uint16)


@dataclass(frozen=True)
class DType:
    """One TensorFlow element type.

    Has the attributes that user code reads of a ``tf.DType``; equal to a ``tf.DType`` of the same number.

    Attributes:
        name: TensorFlow's name, for example ``float32``.
        as_datatype_enum: the number in ``types.proto``.
        numpy: the element type of arrays that hold it; object for strings, uint16 bit patterns for bfloat16.
        value_field: the field of TensorProto that carries its elements when ``tensor_content`` is empty.
    """

    name: str
    as_datatype_enum: int
    numpy: np.dtype
    value_field: str

    @property
    def as_numpy_dtype(self) -> type:
        """The NumPy scalar type, as ``tf.DType.as_numpy_dtype`` gives it."""
        return self.numpy.type

    def __eq__(self, other: object) -> bool:
        number = getattr(other, "as_datatype_enum", other)
        return bool(number == self.as_datatype_enum) if isinstance(number, int) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.as_datatype_enum)

    def __repr__(self) -> str:
        return f"<dtype: {self.name!r}>"


def _dtype(name: str, number: int, numpy: object, value_field: str) -> DType:
    return DType(name, number, np.dtype(numpy), value_field)  # type: ignore[call-overload]


_ALL = (
    _dtype("float32", 1, np.float32, "float_val"),
    _dtype("float64", 2, np.float64, "double_val"),
    _dtype("int32", 3, np.int32, "int_val"),
    _dtype("uint8", 4, np.uint8, "int_val"),
    _dtype("int16", 5, np.int16, "int_val"),
    _dtype("int8", 6, np.int8, "int_val"),
    _dtype("string", 7, object, "string_val"),
    _dtype("complex64", 8, np.complex64, "scomplex_val"),
    _dtype("int64", 9, np.int64, "int64_val"),
    _dtype("bool", 10, np.bool_, "bool_val"),
    _dtype("bfloat16", 14, _BFLOAT16_BITS, "half_val"),
    _dtype("uint16", 17, np.uint16, "int_val"),
    _dtype("complex128", 18, np.complex128, "dcomplex_val"),
    _dtype("float16", 19, np.float16, "half_val"),
    _dtype("uint32", 22, np.uint32, "uint32_val"),
    _dtype("uint64", 23, np.uint64, "uint64_val"),
)

BY_NUMBER: Mapping[int, DType] = {dtype.as_datatype_enum: dtype for dtype in _ALL}
BY_NAME: Mapping[str, DType] = {dtype.name: dtype for dtype in _ALL}
STRING = BY_NAME["string"]
BFLOAT16 = BY_NAME["bfloat16"]
BY_NUMPY: Mapping[np.dtype, DType] = {
    dtype.numpy: dtype for dtype in _ALL if dtype is not BFLOAT16 and dtype is not STRING
}
