"""TensorFlow's element types: numbers on the wire, value fields, NumPy counterparts that sessions take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np


@dataclass(frozen=True, slots=True)
class ElementType:
    """One element type.

    Attributes:
        number: its number in ``types.proto``.
        name: TensorFlow's name in messages (``float``, ``double``, ``string``).
        numpy: the NumPy type of arrays that hold it; object for strings.
        field: the field of TensorProto that carries its elements when ``tensor_content`` is empty.
        field_numpy: the NumPy type of the elements of that field.
    """

    number: int
    name: str
    numpy: np.dtype[Any]
    field: str
    field_numpy: np.dtype[Any]


def _type(number: int, name: str, numpy: object, field: str, field_numpy: object = None) -> ElementType:
    own = np.dtype(numpy)  # type: ignore[call-overload]
    return ElementType(number, name, own, field, own if field_numpy is None else np.dtype(field_numpy))  # type: ignore[call-overload]


def _quantized(number: int, name: str, numpy: object) -> ElementType:
    """Sessions take arrays of a type whose only field has the name of the element type."""
    return _type(number, name, [(name, numpy)], "int_val", numpy)


_ALL = (
    _type(1, "float", np.float32, "float_val"),
    _type(2, "double", np.float64, "double_val"),
    _type(3, "int32", np.int32, "int_val"),
    _type(4, "uint8", np.uint8, "int_val"),
    _type(5, "int16", np.int16, "int_val"),
    _type(6, "int8", np.int8, "int_val"),
    _type(7, "string", object, "string_val"),
    _type(8, "complex64", np.complex64, "scomplex_val", np.float32),
    _type(9, "int64", np.int64, "int64_val"),
    _type(10, "bool", np.bool_, "bool_val"),
    _quantized(11, "qint8", np.int8),
    _quantized(12, "quint8", np.uint8),
    _quantized(13, "qint32", np.int32),
    _type(14, "bfloat16", ml_dtypes.bfloat16, "half_val", np.uint16),
    _quantized(15, "qint16", np.int16),
    _quantized(16, "quint16", np.uint16),
    _type(17, "uint16", np.uint16, "int_val"),
    _type(18, "complex128", np.complex128, "dcomplex_val", np.float64),
    _type(19, "half", np.float16, "half_val", np.uint16),
    _type(22, "uint32", np.uint32, "uint32_val"),
    _type(23, "uint64", np.uint64, "uint64_val"),
    _type(24, "float8_e5m2", ml_dtypes.float8_e5m2, "float8_val", np.uint8),
    _type(25, "float8_e4m3fn", ml_dtypes.float8_e4m3fn, "float8_val", np.uint8),
    _type(29, "int4", ml_dtypes.int4, "int_val", np.int8),
    _type(30, "uint4", ml_dtypes.uint4, "int_val", np.uint8),
)

# Names alone, for messages about types that cannot be sent.
_OTHER_NAMES = {
    0: "INVALID",
    20: "resource",
    21: "variant",
    26: "float8_e4m3fnuz",
    27: "float8_e4m3b11fnuz",
    28: "float8_e5m2fnuz",
    31: "int2",
    32: "uint2",
    33: "float4_e2m1fn",
}

BY_NUMBER: Mapping[int, ElementType] = {element.number: element for element in _ALL}
STRING = BY_NUMBER[7]
# Sessions give back arrays of the plain integer type: who knows the element type must say it.
QUANTIZED: Mapping[int, np.dtype[Any]] = {element.number: element.numpy for element in _ALL if element.numpy.names}
WITHOUT_JSON = frozenset(
    element.number for element in _ALL if element.numpy.kind == "c" or element.number in (*QUANTIZED, 24, 25, 29, 30)
)
BY_NUMPY: Mapping[np.dtype[Any], ElementType] = {element.numpy: element for element in _ALL if element is not STRING}


def type_name(number: int) -> str:
    """Return TensorFlow's name of an element type by its number; it never raises."""
    element = BY_NUMBER.get(number)
    return element.name if element else _OTHER_NAMES.get(number, f"unknown dtype enum ({number})")
