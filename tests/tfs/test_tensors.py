"""Values to TensorProto and back: every element type, every form on the wire, every refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from model_service.errors import InputRefused
from model_service.tfs.dtypes import BY_NAME, STRING, DType
from model_service.tfs.protos import tensor_pb2
from model_service.tfs.signature import TensorSpec
from model_service.tfs.tensors import make_tensor_proto, set_tensor, to_array

Array = np.ndarray[Any, Any]

NUMERIC = [dtype for dtype in BY_NAME.values() if dtype is not STRING]
SHAPES: list[tuple[int, ...]] = [(), (1,), (2, 3), (0,), (0, 4), (2, 0, 3), (1, 1, 1, 1)]


def sent(value: object, name: str, shape: tuple[int | None, ...] | None = None) -> Any:
    """What travels when ``value`` is sent to an input of that element type."""
    proto = tensor_pb2.TensorProto()
    set_tensor(proto, value, TensorSpec("images", BY_NAME[name], shape))
    return proto


def carrying(name: str, shape: Sequence[int], field: str | None = None, values: Sequence[Any] = ()) -> Any:
    """A TensorProto whose elements stand in value fields."""
    dtype = BY_NAME[name]
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in shape:
        proto.tensor_shape.dim.add().size = size
    getattr(proto, field or dtype.value_field).extend(values)
    return proto


def sizes(proto: Any) -> list[int]:
    return [dim.size for dim in proto.tensor_shape.dim]


def counting(shape: tuple[int, ...], dtype: DType) -> Array:
    """Small numbers that every element type can say."""
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    if dtype.name == "bfloat16":
        return values.astype(np.float32)
    return values.astype(dtype.numpy)


# There and back


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", NUMERIC, ids=str)
def test_arrays_come_back_as_they_were(dtype: DType, shape: tuple[int, ...]) -> None:
    array = counting(shape, dtype)
    proto = sent(array, dtype.name)
    assert proto.dtype == dtype.as_datatype_enum
    assert proto.HasField("tensor_shape")
    assert sizes(proto) == list(shape)
    back = to_array(proto)
    assert back.shape == shape
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("dtype", NUMERIC, ids=str)
def test_numbers_travel_as_raw_bytes_only(dtype: DType) -> None:
    proto = sent(counting((5,), dtype), dtype.name)
    assert {field.name for field, _ in proto.ListFields()} == {"dtype", "tensor_shape", "tensor_content"}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_strings_come_back_as_bytes(shape: tuple[int, ...]) -> None:
    array = np.empty(shape, dtype=object)
    array[...] = "zwölf"
    back = to_array(sent(array, "string"))
    assert back.shape == shape
    assert back.dtype == object
    assert set(back.ravel().tolist()) <= {"zwölf".encode()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", b"text"),
        (b"\x00\xff\x00", b"\x00\xff\x00"),
        (["a", "b"], [b"a", b"b"]),
        ([b"ends in NUL\x00", b""], [b"ends in NUL\x00", b""]),
        ([["a"], ["bc"]], [[b"a"], [b"bc"]]),
        (("a", b"b"), [b"a", b"b"]),
        (["a", b"\xff\xd8"], [b"a", b"\xff\xd8"]),
        (np.array(["ab", "c"]), [b"ab", b"c"]),
        (np.array([b"ab", b"c"]), [b"ab", b"c"]),
        (np.str_("s"), b"s"),
        (np.bytes_(b"s"), b"s"),
        ([], []),
        ([[], []], [[], []]),
    ],
)
def test_what_is_taken_for_strings(value: object, expected: object) -> None:
    assert to_array(sent(value, "string")).tolist() == expected


@pytest.mark.parametrize("dtype", NUMERIC, ids=str)
def test_an_empty_list_has_no_type_of_its_own(dtype: DType) -> None:
    assert sizes(sent([], dtype.name)) == [0]
    assert sizes(sent([[], []], dtype.name)) == [2, 0]


@pytest.mark.parametrize("order", ["strided", "fortran", "big endian", "read-only"])
def test_arrays_that_do_not_lie_in_memory_as_they_travel(order: str) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    odd = {
        "strided": array[::2, ::-1],
        "fortran": np.asfortranarray(array),
        "big endian": array.astype(">f4"),
        "read-only": array.copy(),
    }[order]
    odd.flags.writeable = False
    np.testing.assert_array_equal(to_array(sent(odd, "float32")), odd)


def test_subclasses_of_arrays_and_objects_that_become_arrays() -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
            return np.array([1, 2], dtype=np.float32)

    masked = np.ma.MaskedArray(np.array([1, 2], dtype=np.float32))
    assert to_array(sent(masked, "float32")).tolist() == [1, 2]
    assert to_array(sent(Tensor(), "float32")).tolist() == [1, 2]


# bfloat16, which NumPy does not have


BFLOAT16_VALUES = [0.0, -0.0, 1.00390625, 1.01171875, 1.004, -1.004, 1e-40, -1e-45, 3.3895314e38, np.inf, -np.inf, 255]


@pytest.mark.parametrize("value", BFLOAT16_VALUES)
def test_bfloat16_rounds_to_the_nearest(value: float) -> None:
    array = np.array([value], dtype=np.float32)
    back = to_array(sent(array, "bfloat16"))
    assert back.dtype == np.float32
    assert back.tobytes() == array.astype(ml_dtypes.bfloat16).astype(np.float32).tobytes()


@pytest.mark.parametrize(("tie", "even"), [(1.00390625, 1.0), (1.01171875, 1.015625)])
def test_bfloat16_rounds_ties_to_even(tie: float, even: float) -> None:
    assert to_array(sent([tie], "bfloat16")).tolist() == [even]


def test_bfloat16_keeps_nan_whatever_its_bits() -> None:
    nans = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000], dtype=np.uint32).view(np.float32)
    assert np.isnan(to_array(sent(nans, "bfloat16"))).all()


@pytest.mark.parametrize("value", [1.5, np.float32(1.5), np.array(1.5), 2], ids=repr)
def test_bfloat16_keeps_rank_0(value: object) -> None:
    proto = sent(value, "bfloat16")
    assert proto.HasField("tensor_shape")
    assert sizes(proto) == []
    assert to_array(proto).tolist() == value


def test_bfloat16_arrays_of_the_usual_package() -> None:
    array = np.array([[1.5, 2], [3, 4]], dtype=ml_dtypes.bfloat16)
    assert to_array(sent(array, "bfloat16")).tolist() == [[1.5, 2], [3, 4]]
    assert to_array(sent(array, "float32")).tolist() == [[1.5, 2], [3, 4]]


# Conversions

CONVERTED = [
    (1, "float32", 1.0),
    (True, "bool", True),
    ([[1, 2.5]], "float32", [[1, 2.5]]),
    ([0.1], "float32", [float(np.float32(0.1))]),
    ([0.5], "float16", [0.5]),
    ([1, 2], "bfloat16", [1, 2]),
    ([1j], "complex64", [1j]),
    (np.array([1j], dtype=np.complex64), "complex128", [1j]),
    ([255], "uint8", [255]),
    ([-128], "int8", [-128]),
    ([2**63 - 1], "int64", [2**63 - 1]),
    ([2**64 - 1], "uint64", [2**64 - 1]),
    ([np.int64(3)], "int32", [3]),
    (range(3), "int32", [0, 1, 2]),
    (np.float64(0.5), "float32", 0.5),
    (np.array([0.5]), "float32", [0.5]),
    (np.array([0.5]), "float16", [0.5]),
    (np.array([0.5], dtype=np.float16), "float64", [0.5]),
    (np.array([7], dtype=np.uint8), "float32", [7]),
    (np.array([7], dtype=np.int64), "float32", [7]),
    (np.array([7], dtype=np.uint8), "int32", [7]),
    (np.array([7], dtype=np.int32), "int64", [7]),
    (np.array([7], dtype=np.uint32), "int64", [7]),
]


@pytest.mark.parametrize(("value", "name", "expected"), CONVERTED, ids=lambda part: repr(part)[:40])
def test_conversions_without_surprise(value: object, name: str, expected: object) -> None:
    back = to_array(sent(value, name))
    assert back.tolist() == expected
    if name != "bfloat16":
        assert back.dtype == BY_NAME[name].numpy


@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_what_is_not_finite_already_may_stay_so(name: str) -> None:
    back = to_array(sent([float("inf"), float("-inf"), float("nan")], name))
    np.testing.assert_array_equal(back, [np.inf, -np.inf, np.nan])


REFUSED = [
    ("text", "float32", "<U4 []"),
    ([b"x"], "float32", "|S1 [1]"),
    (None, "float32", "NoneType"),
    ([None], "float32", "list"),
    ({"a": 1}, "float32", "dict"),
    ([[1, 2], [3]], "float32", "list"),
    ([True], "float32", "bool [1]"),
    ([1], "bool", "int64 [1]"),
    ([True], "int32", "bool [1]"),
    ([1.0], "int32", "float64 [1]"),
    (np.array([[1.0]]), "int32", "float64 [1, 1]"),
    (np.array([1]), "int32", "int64 [1]"),
    (np.array([1], dtype=np.int16), "uint8", "int16 [1]"),
    (np.array([1], dtype=np.int8), "uint64", "int8 [1]"),
    (np.array([1], dtype=np.uint64), "int64", "uint64 [1]"),
    ([1j], "float32", "complex128 [1]"),
    ([256], "uint8", "int64 [1]"),
    ([-1], "uint64", "int64 [1]"),
    ([2**63], "int64", "uint64 [1]"),
    ([2**70], "int64", "list"),
    ([1e39], "float32", "float64 [1]"),
    ([65520.0], "float16", "float64 [1]"),
    (np.array([1e39]), "float32", "float64 [1]"),
    ([1e39], "bfloat16", "float64 [1]"),
    (np.array([3.4e38], dtype=np.float32), "bfloat16", "float32 [1]"),
    ([True], "bfloat16", "bool [1]"),
    (["x"], "bfloat16", "<U1 [1]"),
    (1, "string", "int"),
    ([1.5], "string", "float"),
    (np.array([1.5]), "string", "float64 [1]"),
    (None, "string", "NoneType"),
    (["a", 1], "string", "int"),
    (["a", None], "string", "NoneType"),
    ("\ud800", "string", "images"),
]


@pytest.mark.parametrize(("value", "name", "said"), REFUSED, ids=lambda part: ascii(part)[:40])
def test_refusals_name_the_tensor_what_was_sent_and_what_is_wanted(value: object, name: str, said: str) -> None:
    with pytest.raises(InputRefused) as caught:
        sent(value, name, (None, 784))
    message = str(caught.value)
    assert message.startswith("input tensor 'images': ")
    assert said.replace("<", "").replace("|", "") in message.replace("<", "").replace("|", "")
    assert f"images: {name} [?, 784]" in message


@pytest.mark.parametrize("dtype", BY_NAME.values(), ids=str)
def test_the_advice_of_a_refusal_can_be_followed(dtype: DType) -> None:
    with pytest.raises(InputRefused) as caught:
        sent({}, dtype.name)
    advice = re.search(r"np\.asarray\(value, dtype=([\w.'\"]+)\)", str(caught.value))
    if advice is not None:  # none is better than a wrong one
        advised = np.asarray(["1"] if dtype is STRING else [1], dtype=eval(advice[1], {"np": np}))
        assert to_array(sent(advised, dtype.name)).tolist() in ([1], [b"1"])


# What model servers answer

FIELD_WISE: list[tuple[str, list[Any], list[Any]]] = [
    ("float32", [1.5, -2], [1.5, -2]),
    ("float64", [1e300, -2], [1e300, -2]),
    ("int32", [-1, 2**31 - 1], [-1, 2**31 - 1]),
    ("uint8", [0, 255], [0, 255]),
    ("int16", [-32768, 1], [-32768, 1]),
    ("int8", [-128, 1], [-128, 1]),
    ("complex64", [1, 2, 3, -4], [1 + 2j, 3 - 4j]),
    ("complex128", [1, 2, 3, -4], [1 + 2j, 3 - 4j]),
    ("int64", [-(2**63), 1], [-(2**63), 1]),
    ("bool", [True, False], [True, False]),
    ("bfloat16", [0x3FC0, 0xC000], [1.5, -2]),
    ("uint16", [0, 65535], [0, 65535]),
    ("float16", [0x3E00, 0xC000], [1.5, -2]),
    ("uint32", [0, 2**32 - 1], [0, 2**32 - 1]),
    ("uint64", [0, 2**64 - 1], [0, 2**64 - 1]),
    ("string", [b"a", b"\xff\x00"], [b"a", b"\xff\x00"]),
]


@pytest.mark.parametrize(("name", "values", "expected"), FIELD_WISE, ids=[row[0] for row in FIELD_WISE])
def test_value_fields_are_read(name: str, values: list[Any], expected: list[Any]) -> None:
    assert to_array(carrying(name, [2], values=values)).tolist() == expected
    assert to_array(carrying(name, [2, 1], values=values)).tolist() == [[item] for item in expected]


@pytest.mark.parametrize(("name", "values", "expected"), FIELD_WISE, ids=[row[0] for row in FIELD_WISE])
def test_the_last_value_stands_for_the_rest(name: str, values: list[Any], expected: list[Any]) -> None:
    back = to_array(carrying(name, [2, 3], values=values))
    assert back.ravel().tolist() == [expected[0]] + [expected[1]] * 5


@pytest.mark.parametrize("name", BY_NAME)
def test_no_values_at_all_stand_for_zeros(name: str) -> None:
    back = to_array(carrying(name, [2, 2]))
    assert back.shape == (2, 2)
    assert set(back.ravel().tolist()) == ({b""} if name == "string" else {0})


@pytest.mark.parametrize("name", BY_NAME)
def test_empty_shapes_need_no_values(name: str) -> None:
    assert to_array(carrying(name, [3, 0])).shape == (3, 0)


@pytest.mark.parametrize(("name", "values", "expected"), FIELD_WISE, ids=[row[0] for row in FIELD_WISE])
def test_rank_0_from_a_value_field(name: str, values: list[Any], expected: list[Any]) -> None:
    first = values[: len(values) // 2]
    assert to_array(carrying(name, [], values=first)).tolist() == expected[0]


def test_strings_in_raw_form_are_lengths_then_bytes() -> None:
    """What the real server sends for strings when it is told to answer in tensor_content."""
    long = b"x" * 300
    proto = carrying("string", [3])
    proto.tensor_content = bytes([1, 0, 0xAC, 0x02]) + b"a" + long
    assert to_array(proto).tolist() == [b"a", b"", long]


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (carrying("float32", [1], values=[1, 2]), r"2 elements do not fill the shape \[1\]"),
        (carrying("string", [1], values=[b"a", b"b"]), r"2 elements do not fill the shape \[1\]"),
        (tensor_pb2.TensorProto(dtype=20), "number 20"),
        (tensor_pb2.TensorProto(), "number 0"),
    ],
    ids=["too many numbers", "too many strings", "resource handles", "no type"],
)
def test_answers_that_make_no_sense(proto: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_array(proto)


def test_raw_bytes_that_do_not_fill_their_elements() -> None:
    proto = carrying("float32", [1])
    proto.tensor_content = b"abc"
    with pytest.raises(ValueError, match="buffer size"):
        to_array(proto)


# make_tensor_proto, which authors know from TensorFlow


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        (1.5, "float32", 1.5),
        ([1, 2], "int32", [1, 2]),
        ([1, 2**31], "int64", [1, 2**31]),
        ([1, 2.5], "float32", [1, 2.5]),
        ([True], "bool", [True]),
        ("text", "string", b"text"),
        ([b"a", b"b"], "string", [b"a", b"b"]),
        (np.array([1.5]), "float64", [1.5]),
        (np.array([1]), "int64", [1]),
        (np.array([1.5], dtype=np.float16), "float16", [1.5]),
        (np.float64(1.5), "float64", 1.5),
        (np.array(["a"]), "string", [b"a"]),
        ([], "float32", []),
        (np.zeros((0, 2), dtype=np.uint8), "uint8", []),
        (np.array([1.5], dtype=ml_dtypes.bfloat16), "bfloat16", [1.5]),
    ],
    ids=lambda part: repr(part)[:40],
)
def test_element_types_are_chosen_as_tensorflow_does(values: object, name: str, expected: object) -> None:
    proto = make_tensor_proto(values)
    assert proto.dtype == BY_NAME[name].as_datatype_enum
    assert to_array(proto).tolist() == expected


@pytest.mark.parametrize(
    "dtype",
    [np.float32, np.dtype("float32"), "float32", 1, SimpleNamespace(as_datatype_enum=1), BY_NAME["float32"]],
    ids=repr,
)
def test_an_element_type_in_any_spelling(dtype: object) -> None:
    proto = make_tensor_proto([1, 2], dtype=dtype)
    assert proto.dtype == 1
    assert to_array(proto).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["string", str, bytes, object, np.str_, 7, STRING], ids=repr)
def test_strings_in_any_spelling(dtype: object) -> None:
    assert to_array(make_tensor_proto(["a"], dtype=dtype)).tolist() == [b"a"]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (np.array([1, 2]), np.int32, [1, 2]),
        (np.array([1.9, 2.1]), np.uint8, [1, 2]),
        (np.array([0, 3]), np.bool_, [False, True]),
        (np.float64(2.5), np.float32, 2.5),
    ],
    ids=repr,
)
def test_an_array_is_cast_to_the_element_type_that_is_asked_for(
    values: object, dtype: object, expected: object
) -> None:
    assert to_array(make_tensor_proto(values, dtype=dtype)).tolist() == expected


@pytest.mark.parametrize(
    ("values", "shape", "expected"),
    [
        ([1, 2, 3, 4], (2, 2), [[1, 2], [3, 4]]),
        ([[1, 2], [3, 4]], [4], [1, 2, 3, 4]),
        (7, (2, 2), [[7, 7], [7, 7]]),
        ([7], (3,), [7, 7, 7]),
        ([[7]], (1,), [7]),
        ([[7]], (), 7),
        ("a", (2,), [b"a", b"a"]),
        (["a", "b"], (2, 1), [[b"a"], [b"b"]]),
    ],
    ids=repr,
)
def test_a_shape_is_filled(values: object, shape: Sequence[int], expected: object) -> None:
    assert to_array(make_tensor_proto(values, shape=shape)).tolist() == expected


def test_values_that_do_not_fill_the_shape() -> None:
    with pytest.raises(ValueError, match="reshape"):
        make_tensor_proto([1, 2, 3], shape=(2,))


@pytest.mark.parametrize(
    "values", [None, [None], {"a": 1}, [1, "a", None], object()], ids=["None", "[None]", "{}", "mixed", "object"]
)
def test_no_tensor_of_that(values: object) -> None:
    with pytest.raises(InputRefused):
        make_tensor_proto(values)


def test_no_such_element_type() -> None:
    with pytest.raises(InputRefused, match="no element type"):
        make_tensor_proto([1], dtype="nonsense")
