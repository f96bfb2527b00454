"""Predict over the wire: what is accepted, what comes back, and with which code and text a request is refused."""

from __future__ import annotations

from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest

from model_service.tfs.protos import predict_pb2, tensor_pb2, types_pb2
from model_service.tfs.tensors import make_tensor_proto, to_array

INVALID = grpc.StatusCode.INVALID_ARGUMENT

ECHO_VALUES: dict[str, Any] = {
    "float32": np.array([[1.5, -2.0], [np.inf, 0.0]], np.float32),
    "float64": np.array([1e300, -0.5]),
    "int32": np.array([2**31 - 1, -(2**31), 5], np.int32),
    "uint8": np.array([0, 127, 255], np.uint8),
    "int16": np.array([-32768, 127], np.int16),
    "int8": np.array([-128, 127], np.int8),
    "complex64": np.array([1 + 2j, -3.5j], np.complex64),
    "int64": np.array([2**62, -1, 127], np.int64),
    "bool": np.array([True, False, True]),
    "uint16": np.array([65535, 1], np.uint16),
    "complex128": np.array([[1e200 + 2j]], np.complex128),
    "float16": np.array([0.5, -65504.0], np.float16),
    "uint32": np.array([2**32 - 1, 1], np.uint32),
    "uint64": np.array([2**64 - 1, 1], np.uint64),
}


def _tensor(kind: str, shape: tuple[int, ...], **content: Any) -> Any:
    number = types_pb2.DataType.Value(f"DT_{kind.upper()}")
    proto = tensor_pb2.TensorProto(dtype=number, **content)
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def _values(proto: Any) -> list[Any]:
    elements: list[Any] = to_array(proto).tolist()
    return elements


def test_half_plus_two(served: Any) -> None:
    response = served("half_plus_two").predict(x=[[2.0], [4.0]])
    assert _values(response.outputs["y"]) == [[4.0], [5.0]]
    assert response.model_spec.name == "half_plus_two"
    assert response.model_spec.version.value == 123
    assert response.model_spec.signature_name == "serving_default"


def test_reply_is_field_wise_by_default(served: Any) -> None:
    tensor = served("half_plus_two").predict(x=[[2.0]]).outputs["y"]
    assert (list(tensor.float_val), tensor.tensor_content) == ([4.0], b"")


def test_a_rank_1_feed_for_a_rank_2_placeholder_is_accepted(served: Any) -> None:
    assert _values(served("half_plus_two").predict(x=[2.0, 4.0]).outputs["y"]) == [4.0, 5.0]


def test_a_version_by_number(served: Any) -> None:
    client = served("half_plus_two")
    assert client.predict(version=123, x=[[2.0]]).model_spec.version.value == 123
    assert client.refusal(client.request(version=7, x=[[2.0]])) == (
        grpc.StatusCode.NOT_FOUND,
        "Servable not found for request: Specific(half_plus_two, 7)",
    )


@pytest.mark.parametrize("name", ["unknown", "ünknown/ü"])
def test_an_unknown_model(served: Any, name: str) -> None:
    client = served("half_plus_two")
    request = client.request(x=[[2.0]])
    request.model_spec.name = name
    assert client.refusal(request) == (
        grpc.StatusCode.NOT_FOUND,
        f"Servable not found for request: Latest({name})",
    )


def test_no_model_spec_and_no_name(served: Any) -> None:
    client = served("half_plus_two")
    assert client.refusal(predict_pb2.PredictRequest()) == (INVALID, "Missing ModelSpec")
    nameless = client.request(x=[[1.0]])
    nameless.model_spec.name = ""
    assert client.refusal(nameless) == (INVALID, "ModelSpec has no name specified.")


def test_an_unknown_label(served: Any) -> None:
    client = served("half_plus_two")
    request = client.request(x=[[1.0]])
    request.model_spec.version_label = "stable"
    assert client.refusal(request) == (INVALID, "Unrecognized servable version label: stable")


def test_an_unknown_signature(served: Any) -> None:
    client = served("half_plus_two")
    assert client.refusal(client.request("nope", x=[[1.0]])) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        'Serving signature key "nope" not found.',
    )


def test_several_signatures_and_outputs(served: Any) -> None:
    client = served("signatures")
    response = client.predict(a=[1.0, 2.0], b=[3.0, 5.0])
    assert {name: _values(tensor) for name, tensor in response.outputs.items()} == {
        "sum": [4.0, 7.0],
        "difference": [-2.0, -3.0],
        "rows": 2,
    }
    assert _values(client.predict("triple", x=[[2.0]]).outputs["y"]) == [[6.0]]


def test_output_filter(served: Any) -> None:
    client = served("signatures")
    request = client.request(a=[1.0], b=[2.0])
    request.output_filter.extend(["rows", "sum"])
    assert set(client.prediction.Predict(request, 10).outputs) == {"rows", "sum"}
    request.output_filter[:] = ["sum", "nope"]
    assert client.refusal(request) == (
        INVALID,
        "output tensor alias not found in signature: nope Outputs expected to be in the set {difference,rows,sum}.",
    )
    request.output_filter[:] = ["sum", "sum"]
    assert client.refusal(request) == (INVALID, "duplicate output tensor alias: sum")


def test_missing_extra_and_misnamed_inputs(served: Any) -> None:
    client = served("signatures")
    assert client.refusal(client.request(a=[1.0])) == (
        INVALID,
        "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}.",
    )
    assert client.refusal(client.request(a=[1.0], b=[1.0], c=[1.0])) == (
        INVALID,
        "input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). Sent extra: {c}. "
        "Missing but required: {}.",
    )
    code, text = client.refusal(client.request(a=[1.0], c=[1.0]))
    assert code is INVALID
    assert text.startswith(
        "Signature input alias: b(feed name: serving_default_b:0) not found in request and no default"
    )


def test_default_inputs(served: Any) -> None:
    client = served("signatures")
    assert _values(client.predict("defaulted", a=[1.0, 2.0]).outputs["sum"]) == [11.0, 12.0]
    assert _values(client.predict("defaulted", a=[1.0], b=2.0).outputs["sum"]) == [3.0]


def test_a_wrong_element_type(served: Any) -> None:
    client = served("half_plus_two")
    assert client.refusal(client.request(x=np.array([[1.0]]))) == (
        INVALID,
        "Expects arg[0] to be float but double is provided",
    )
    assert client.refusal(client.request(x=[["text"]]))[1] == "Expects arg[0] to be float but string is provided"


def test_a_shape_the_graph_refuses(served: Any) -> None:
    client = served("keras")
    name = "keras_tensor"
    assert _values(client.predict(**{name: [[1.0, 2.0, 3.0]]}).outputs["output_0"]) == [[6.0]]
    code, text = client.refusal(client.request(**{name: [[1.0, 2.0]]}))
    assert code is INVALID
    assert "Matrix size-incompatible" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "proto",
    [
        _tensor("float", (2,), tensor_content=b"1234"),
        _tensor("float", (2,), tensor_content=b"123"),
        _tensor("float", (-1,), float_val=[1.0]),
        _tensor("float", (2**40, 2**40), float_val=[1.0]),
        _tensor("float", (2**34,), float_val=[1.0]),
        _tensor("float", (0, 2**62, 2**62)),
        _tensor("variant", (1,)),
        _tensor("resource", (1,)),
        tensor_pb2.TensorProto(dtype=1, tensor_shape={"unknown_rank": True}, float_val=[1.0]),
        tensor_pb2.TensorProto(dtype=999),
        tensor_pb2.TensorProto(),
        _tensor("string", (2,), tensor_content=b"\x01\x09ab"),
        _tensor("string", (2**40,)),
    ],
)
def test_broken_tensors(served: Any, proto: Any) -> None:
    client = served("half_plus_two")
    assert client.refusal(client.request(x=proto)) == (INVALID, "tensor parsing error: x")


def test_fewer_and_more_values_than_elements(served: Any) -> None:
    client = served("echo")

    def echoed(proto: Any, kind: str = "float32") -> Any:
        return _values(client.predict(kind, x=proto).outputs["y"])

    assert echoed(_tensor("float", (4,), float_val=[1.0, 2.0])) == [1.0, 2.0, 2.0, 2.0]
    assert echoed(_tensor("float", (2,), float_val=[1.0, 2.0, 3.0])) == [1.0, 2.0]
    assert echoed(_tensor("float", (2, 2))) == [[0.0, 0.0], [0.0, 0.0]]
    assert echoed(_tensor("float", (), float_val=[7.0])) == 7.0
    assert echoed(_tensor("string", (3,), string_val=[b"a", b"b"]), "string") == [b"a", b"b", b"b"]
    assert echoed(_tensor("string", (2,)), "string") == [b"", b""]
    assert echoed(_tensor("complex64", (2,), scomplex_val=[1.0, 2.0]), "complex64") == [1 + 2j, 1 + 2j]


@pytest.mark.parametrize("kind", ECHO_VALUES)
@pytest.mark.parametrize("as_content", [True, False])
def test_every_element_type_there_and_back(served: Any, kind: str, as_content: bool) -> None:
    sent = ECHO_VALUES[kind]
    proto = make_tensor_proto(sent)
    if not as_content:
        proto = served("echo").predict(kind, x=proto).outputs["y"]  # field-wise
        assert not proto.tensor_content
    received = to_array(served("echo").predict(kind, x=proto).outputs["y"])
    assert received.dtype == sent.dtype
    np.testing.assert_array_equal(received, sent)


SMALL_VALUES: dict[str, tuple[dict[str, Any], bytes]] = {
    "qint8": ({"int_val": [-128, 0, 127]}, b"\x80\x00\x7f"),
    "quint8": ({"int_val": [0, 128, 255]}, b"\x00\x80\xff"),
    "qint16": ({"int_val": [-32768, 0, 256]}, b"\x00\x80\x00\x00\x00\x01"),
    "quint16": ({"int_val": [0, 65535, 256]}, b"\x00\x00\xff\xff\x00\x01"),
    "qint32": ({"int_val": [-1, 0, 1]}, b"\xff\xff\xff\xff\x00\x00\x00\x00\x01\x00\x00\x00"),
    "float8_e5m2": ({"float8_val": b"\x3c\xbc\x7c"}, b"\x3c\xbc\x7c"),
    "float8_e4m3fn": ({"float8_val": b"\x38\xb8\x7f"}, b"\x38\xb8\x7f"),
    "int4": ({"int_val": [-8, 7, 0]}, b"\x08\x07\x00"),
    "uint4": ({"int_val": [15, 7, 0]}, b"\x0f\x07\x00"),
}


@pytest.mark.parametrize("kind", SMALL_VALUES)
def test_quantized_and_small_element_types_there_and_back(served: Any, kind: str) -> None:
    fields, content = SMALL_VALUES[kind]
    expected = _tensor(kind, (3,), **fields)
    for sent in (expected, _tensor(kind, (3,), tensor_content=content)):
        assert served("echo").predict(kind, x=sent).outputs["y"] == expected
    scalar = _tensor(kind, (), **{name: value[:1] for name, value in fields.items()})
    assert served("echo").predict(kind, x=scalar).outputs["y"] == scalar


def test_a_quantized_type_is_not_the_integers_it_is_stored_in(served: Any) -> None:
    client = served("echo")
    assert client.refusal(client.request("qint8", x=np.array([1], np.int8))) == (
        INVALID,
        "Expects arg[0] to be qint8 but int8 is provided",
    )


def test_an_element_type_that_cannot_be_sent(served: Any) -> None:
    client = served("echo")
    for number in (0, 20, 21, 26, 33, 99, 101):
        proto = tensor_pb2.TensorProto(dtype=number, tensor_content=b"1")
        assert client.refusal(client.request("float32", x=proto)) == (INVALID, "tensor parsing error: x")


def test_bfloat16(served: Any) -> None:
    sent = np.array([1.5, -2.0, 3e38], ml_dtypes.bfloat16)
    proto = _tensor("bfloat16", (3,), tensor_content=sent.tobytes())
    tensor = served("echo").predict("bfloat16", x=proto).outputs["y"]
    assert list(tensor.half_val) == sent.view(np.uint16).tolist()


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2)])
@pytest.mark.parametrize("kind", ["float32", "string", "int64"])
def test_zero_size(served: Any, kind: str, shape: tuple[int, ...]) -> None:
    sent = np.empty(shape, object if kind == "string" else kind)
    proto = _tensor({"float32": "float"}.get(kind, kind), shape)
    tensor = served("echo").predict(kind, x=proto).outputs["y"]
    assert to_array(tensor).shape == sent.shape


def test_strings(served: Any) -> None:
    client = served("echo")
    sent = np.array([[b"", b"a\x00"], [bytes(range(256)), "ü".encode()]], dtype=object)
    tensor = client.predict("string", x=sent).outputs["y"]
    assert list(tensor.string_val) == sent.ravel().tolist()
    assert to_array(tensor).shape == (2, 2)
    scalar = client.predict("string", x=_tensor("string", (), string_val=[b"one\x00"])).outputs["y"]
    assert (list(scalar.string_val), len(scalar.tensor_shape.dim)) == ([b"one\x00"], 0)
    raw = _tensor("string", (3,), tensor_content=b"\x01\x00\x03abcd")
    assert list(client.predict("string", x=raw).outputs["y"].string_val) == [b"a", b"", b"bcd"]


def test_keras_and_tensorflow_1_with_tables(served: Any) -> None:
    response = served("tables").predict(word=np.array([b"two", b"zero", b"none"], dtype=object))
    assert _values(response.outputs["number"]) == [102, 100, 99]
    assert _values(response.outputs["name"]) == [b"zwei", b"null", b"?"]


def test_a_message_of_60_megabytes(served: Any) -> None:
    client = served("echo")
    request = client.request("float32", x=np.ones((15 * 1024 * 1024,), np.float32))
    response = client.prediction.Predict(request, 60)
    assert len(response.outputs["y"].float_val) == 15 * 1024 * 1024


def test_tensor_content_in_replies(start: Any, connect: Any) -> None:
    client = connect(start("echo", "--enable_serialization_as_tensor_content"))
    for kind, sent in ECHO_VALUES.items():
        tensor = client.predict(kind, x=sent).outputs["y"]
        assert tensor.tensor_content == sent.tobytes(), kind
    text = client.predict("string", x=np.array([b"a"], dtype=object)).outputs["y"]
    assert list(text.string_val) == [b"a"]
