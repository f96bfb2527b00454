"""Calls over real gRPC to a server that answers what the test says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from model_service.errors import (
    BackendUnavailable,
    DeadlinePassed,
    HookFailed,
    InputRefused,
    RequestError,
)
from model_service.tfs.client import (
    ModelServerClient,
    ModelState,
    predict_request,
)
from model_service.tfs.dtypes import BY_NAME
from model_service.tfs.faults import request_error
from model_service.tfs.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    meta_graph_pb2,
    predict_pb2,
)
from model_service.tfs.signature import Signature, SignatureError, TensorSpec
from model_service.tfs.tensors import make_tensor_proto

Answer = Callable[[Any, grpc.ServicerContext], Any]


def spec(name: str, kind: str = "float32") -> TensorSpec:
    return TensorSpec(name, BY_NAME[kind], (None,))


SIGNATURE = Signature("predict_images", {"x": spec("x"), "flag": spec("flag", "bool")}, {"y": spec("y")})


class FakeServer:
    """Answers the three calls with what ``answers`` holds by method name."""

    def __init__(self, folder: Path):
        self.answers: dict[str, Answer] = {}
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._add("PredictionService", "Predict", predict_pb2.PredictRequest)
        self._add("PredictionService", "GetModelMetadata", get_model_metadata_pb2.GetModelMetadataRequest)
        self._add("ModelService", "GetModelStatus", get_model_status_pb2.GetModelStatusRequest)
        self.target = f"unix:{folder}/grpc"
        self._server.add_insecure_port(self.target)
        self._server.start()

    def _add(self, service: str, method: str, request: Any) -> None:
        handler: Any = grpc.unary_unary_rpc_method_handler(
            lambda message, context: self.answers[method](message, context),
            request_deserializer=request.FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )
        generic = grpc.method_handlers_generic_handler(f"tensorflow.serving.{service}", {method: handler})
        self._server.add_generic_rpc_handlers((generic,))

    def stop(self) -> None:
        self._server.stop(None).wait()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    fake = FakeServer(tmp_path_factory.mktemp("s"))
    yield fake
    fake.stop()


@pytest.fixture
def client(server: FakeServer) -> Iterator[ModelServerClient]:
    made = ModelServerClient(server.target, "serve")
    yield made
    made.close()


def failing(code: grpc.StatusCode) -> Answer:
    def answer(_request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(code, "secret details")

    return answer


def test_predict_sends_what_the_signature_says_and_returns_arrays(
    server: FakeServer, client: ModelServerClient
) -> None:
    seen = []

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        seen.append((request, context.time_remaining()))
        reply = predict_pb2.PredictResponse()
        reply.outputs["y"].CopyFrom(make_tensor_proto([[0.5, 2]]))
        reply.outputs["label"].CopyFrom(make_tensor_proto(["a"]))
        return reply

    server.answers["Predict"] = answer
    outputs = client.predict({"x": [1, 2], "flag": [True]}, SIGNATURE)
    assert outputs["y"].dtype == np.float32
    assert outputs["y"].tolist() == [[0.5, 2]]
    assert outputs["label"].tolist() == [b"a"]
    [(request, remaining)] = seen
    assert request.model_spec.name == "serve"
    assert request.model_spec.signature_name == "predict_images"
    assert not request.model_spec.HasField("version")
    assert set(request.inputs) == {"x", "flag"}
    assert list(request.output_filter) == []
    assert 50 < remaining < 61


def test_large_answers_pass(server: FakeServer, client: ModelServerClient) -> None:
    """gRPC's own limit is 4 MB; ours is higher."""
    server.answers["Predict"] = lambda _request, _context: _reply_of(np.zeros(2_000_000, dtype=np.float32))
    assert client.predict({"x": [1], "flag": [True]}, SIGNATURE)["y"].size == 2_000_000


def _reply_of(array: object) -> Any:
    reply = predict_pb2.PredictResponse()
    reply.outputs["y"].CopyFrom(make_tensor_proto(array))
    return reply


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "none"),
        ({"x": [1]}, "'x'"),
        ({"x": [1], "flag": [True], "more": 1}, "'x', 'flag', 'more'"),
        ({"images": [1], "flag": [True]}, "'images', 'flag'"),
    ],
)
def test_names_must_be_those_of_the_signature(inputs: dict[str, object], said: str) -> None:
    with pytest.raises(InputRefused) as caught:
        predict_request(inputs, SIGNATURE, "serve")
    message = str(caught.value)
    assert f"sends the input tensors {said}," in message
    assert "'predict_images' takes: x: float32 [?]; flag: bool [?]" in message


def test_element_types_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(InputRefused, match="input tensor 'flag'"):
        predict_request({"x": [1], "flag": [1]}, SIGNATURE, "serve")


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        (grpc.StatusCode.UNAVAILABLE, BackendUnavailable, 503),
        (grpc.StatusCode.CANCELLED, BackendUnavailable, 503),
        (grpc.StatusCode.NOT_FOUND, BackendUnavailable, 503),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlinePassed, 504),
        (grpc.StatusCode.INVALID_ARGUMENT, HookFailed, 500),
        (grpc.StatusCode.FAILED_PRECONDITION, HookFailed, 500),
        (grpc.StatusCode.INTERNAL, HookFailed, 500),
    ],
    ids=str,
)
def test_what_a_failed_call_means(
    code: grpc.StatusCode,
    kind: type[RequestError],
    status: int,
    server: FakeServer,
    client: ModelServerClient,
) -> None:
    server.answers["Predict"] = failing(code)
    with pytest.raises(grpc.RpcError) as caught:
        client.predict({"x": [1], "flag": [True]}, SIGNATURE)
    fault = request_error(caught.value)
    assert type(fault) is kind
    assert fault.status == status
    assert "secret" not in str(fault)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    client = ModelServerClient(f"unix:{tmp_path}/nobody", "serve")
    with pytest.raises(grpc.RpcError) as caught:
        client.predict({"x": [1], "flag": [True]}, SIGNATURE)
    assert type(request_error(caught.value)) is BackendUnavailable
    client.close()


def test_a_server_that_is_too_slow(server: FakeServer, client: ModelServerClient) -> None:
    def answer(_request: Any, context: grpc.ServicerContext) -> Any:
        while context.is_active():
            time.sleep(0.01)
        return predict_pb2.PredictResponse()

    server.answers["Predict"] = answer
    with pytest.raises(grpc.RpcError) as caught:
        client.predict({"x": [1], "flag": [True]}, SIGNATURE, timeout_seconds=0.1)
    assert type(request_error(caught.value)) is DeadlinePassed


def answers(client: ModelServerClient) -> bool:
    try:
        return client.model_state(1).available
    except grpc.RpcError:
        return False


def test_a_restarted_server_is_found_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")
    first = FakeServer(folder)
    client = ModelServerClient(first.target, "serve")
    first.answers["GetModelStatus"] = status_answer((1, "AVAILABLE", ""))
    assert client.model_state(5).available
    first.stop()
    with pytest.raises(grpc.RpcError):
        client.model_state(1)
    second = FakeServer(folder)
    second.answers["GetModelStatus"] = status_answer((1, "AVAILABLE", ""))
    deadline = time.monotonic() + 5
    while not answers(client):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    client.close()
    second.stop()


def status_answer(*versions: tuple[int, str, str]) -> Answer:
    reply = get_model_status_pb2.GetModelStatusResponse()
    for version, state, message in versions:
        added = reply.model_version_status.add()
        added.version = version
        added.state = get_model_status_pb2.ModelVersionStatus.State.Value(state)
        added.status.error_message = message
    return lambda _request, _context: reply


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([(1, "AVAILABLE", "")], ModelState(True, "version 1 is AVAILABLE")),
        ([(1, "LOADING", "")], ModelState(False, "version 1 is LOADING")),
        ([(2, "END", "broken graph"), (1, "END", "")], ModelState(False, "version 2 is END: broken graph")),
        ([(2, "LOADING", ""), (1, "AVAILABLE", "")], ModelState(True, "version 2 is LOADING")),
        ([], ModelState(False, "no version")),
    ],
)
def test_model_state(
    versions: list[tuple[int, str, str]], expected: ModelState, server: FakeServer, client: ModelServerClient
) -> None:
    server.answers["GetModelStatus"] = status_answer(*versions)
    assert client.model_state(5) == expected


def metadata_answer(*names: str) -> Answer:
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name in names:
        definition = meta_graph_pb2.SignatureDef()
        definition.inputs["x"].dtype = 1
        definition.outputs["y"].dtype = 7
        signatures.signature_def[name].CopyFrom(definition)
    reply = get_model_metadata_pb2.GetModelMetadataResponse()
    reply.metadata["signature_def"].Pack(signatures)
    return lambda _request, _context: reply


def test_the_signature_of_a_remote_model(server: FakeServer, client: ModelServerClient) -> None:
    server.answers["GetModelMetadata"] = metadata_answer("predict_images", "__saved_model_init_op")
    signature = client.read_signature(5)
    assert signature.name == "predict_images"
    assert {name: str(tensor.dtype) for name, tensor in signature.outputs.items()} == {"y": "<dtype: 'string'>"}


def test_a_remote_model_without_a_usable_signature(server: FakeServer, client: ModelServerClient) -> None:
    server.answers["GetModelMetadata"] = metadata_answer("a", "b")
    with pytest.raises(SignatureError, match=f"model 'serve' at {server.target}: "):
        client.read_signature(5)
