"""Element types: the table is complete and agrees with the messages."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from model_service.tfs.dtypes import BY_NAME, BY_NUMBER, DType
from model_service.tfs.protos import tensor_pb2, types_pb2

ENUM_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}


@pytest.mark.parametrize("dtype", BY_NAME.values(), ids=str)
def test_number_and_value_field_are_those_of_the_messages(dtype: DType) -> None:
    enum_name = ENUM_NAMES.get(dtype.name, dtype.name.upper())
    assert types_pb2.DataType.Value(f"DT_{enum_name}") == dtype.as_datatype_enum
    assert dtype.value_field in tensor_pb2.TensorProto.DESCRIPTOR.fields_by_name
    assert BY_NUMBER[dtype.as_datatype_enum] is dtype


def test_equal_to_what_tensorflow_calls_by_the_same_number() -> None:
    float32 = BY_NAME["float32"]
    of_tensorflow = SimpleNamespace(as_datatype_enum=1)
    assert float32 == of_tensorflow
    assert float32 == types_pb2.DT_FLOAT
    assert float32 != BY_NAME["float64"]
    assert float32 != types_pb2.DT_DOUBLE
    assert float32 != object()
    assert hash(float32) == 1
    assert {float32: "x"}[BY_NAME["float32"]] == "x"


def test_reads_as_tensorflow_prints_it() -> None:
    assert repr(BY_NAME["float32"]) == "<dtype: 'float32'>"
    assert BY_NAME["int64"].as_numpy_dtype(3).dtype == "int64"
