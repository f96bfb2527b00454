"""What a service object reaches: the model server when it is first needed, and nothing of ours on the object."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from model_service.author.runtime import (
    AuthorRuntime,
    NotServing,
    bind,
    current,
    get_tf_server_stub,
)
from model_service.author.tfserving import TfServingBaseService
from model_service.errors import BackendUnavailable, InputRefused
from model_service.tfs.client import ModelServerClient
from model_service.tfs.dtypes import BY_NAME
from model_service.tfs.signature import Signature
from tests.author.conftest import BindModel, FakeStub, spec


class Plain(TfServingBaseService):
    pass


def make(service_class: type[TfServingBaseService] = Plain) -> Any:
    return service_class("serve", "/models/1")


# Lazily


def test_making_a_service_asks_for_nothing_and_stores_two_names(bind_model: BindModel) -> None:
    bound = bind_model()
    assert vars(make()) == {"model_name": "serve", "model_path": "/models/1"}
    assert bound.calls == []


def test_nothing_of_ours_is_stored_by_use(bind_model: BindModel) -> None:
    bind_model()
    service = make()
    service.inference({"x": [1.0]})
    service.infer({"x": [1.0]})
    assert service.stub is service.stub
    assert service.model.model_name == "serve"
    assert vars(service) == {"model_name": "serve", "model_path": "/models/1"}


def test_the_server_is_asked_once_and_when_it_is_needed(bind_model: BindModel) -> None:
    bound = bind_model()
    service = make()
    assert service.model.model_signature == "predict_images"
    assert bound.calls == ["connect", "ask the server"]
    service.inference({"x": [1.0]})
    make().inference({"x": [1.0]})
    assert bound.calls == ["connect", "ask the server"]


def test_a_signature_on_disk_needs_no_server(bind_model: BindModel) -> None:
    bound = bind_model(local=True)
    assert make().model.model_signature == "predict_images"
    assert bound.calls == ["read the file"]
    assert bound.runtime.stub is bound.stub
    assert bound.calls == ["read the file", "connect"]


def test_many_threads_connect_once(bind_model: BindModel) -> None:
    bound = bind_model(local=True)
    start = threading.Barrier(16)

    def use() -> None:
        start.wait()
        make().inference({"x": [1.0]})

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bound.calls) == ["connect", "read the file"]
    assert len(bound.stub.requests) == 16


def test_a_server_that_is_not_there_yet_is_asked_again(bind_model: BindModel) -> None:
    bound = bind_model()
    client = bound.runtime.client
    answers: list[ModelServerClient | None] = [None, client]

    def connect() -> ModelServerClient:
        answer = answers.pop(0)
        if answer is None:
            raise BackendUnavailable("starting")
        return answer

    bind(AuthorRuntime("serve", "/models/1", connect, lambda client: bound.runtime.signature))
    with pytest.raises(BackendUnavailable):
        make().inference({"x": [1.0]})
    assert make().inference({"x": [1.0]}) == {"y": [1.0]}


def test_outside_a_server() -> None:
    bind(None)
    service = make()
    for use in (get_tf_server_stub, current, lambda: service.stub, lambda: service.inference({})):
        with pytest.raises(NotServing, match="model-service serve PACKAGE"):
            use()
    assert service.model_name == "serve"


def test_the_class_itself_can_be_looked_at() -> None:
    assert "gRPC stub" in (Plain.stub.__doc__ or "")
    assert "model" in (Plain.model.__doc__ or "")


# The stock _inference


def test_the_stock_inference_sends_every_key_and_returns_nested_lists(bind_model: BindModel) -> None:
    bound = bind_model(
        lambda inputs: {"y": inputs["x"] * 2, "s": [b"raw"], "r": np.float32(0.1)},
        {"x": "float32", "n": "int64"},
        {"y": "float32", "s": "string", "r": "float32"},
    )
    result = make()._inference({"x": np.array([[1, 2]], dtype=np.float32), "n": [3]})
    assert result == {"y": [[2, 4]], "s": [b"raw"], "r": 0.10000000149011612}
    assert type(result["y"]) is list
    assert type(result["y"][0][0]) is float
    [request] = bound.stub.requests
    assert request.model_spec.name == "serve"
    assert request.model_spec.signature_name == "predict_images"
    assert set(request.inputs) == {"x", "n"}
    assert bound.stub.timeouts == [60.0]


def test_infer_returns_arrays(bind_model: BindModel) -> None:
    bind_model(lambda inputs: {"y": np.ones((2, 3), dtype=np.uint8)}, outputs={"y": "uint8"})
    result = make().infer({"x": [1.0]})
    assert isinstance(result["y"], np.ndarray)
    assert (result["y"].dtype, result["y"].shape) == (np.uint8, (2, 3))


def test_what_does_not_fit_the_signature_is_not_sent(bind_model: BindModel) -> None:
    bound = bind_model()
    for data in ({"images": [1.0]}, {}, {"x": ["text"]}):
        with pytest.raises(InputRefused):
            make().inference(data)
    assert bound.stub.requests == []


@pytest.mark.parametrize("data", [None, [1.0], "text", 3], ids=repr)
def test_what_is_no_dict_is_the_packages_fault(data: object, bind_model: BindModel) -> None:
    bind_model()
    with pytest.raises(AttributeError):
        make().inference(data)


# What authors set themselves


def test_instance_attributes_win(bind_model: BindModel) -> None:
    bind_model()
    service = make()
    service.model = None
    service.stub = "mine"
    assert service.model is None
    assert service.stub == "mine"
    del service.stub
    assert isinstance(service.stub, FakeStub)


def test_a_constructor_that_never_calls_ours(bind_model: BindModel) -> None:
    class Own(TfServingBaseService):
        def __init__(self, model_name: str, model_path: str):
            self.signature = {"mine": 1}  # type: ignore[method-assign, assignment]
            self.model_path = None  # type: ignore[assignment]

    bind_model(lambda inputs: {"y": inputs["x"] + 1})
    service = make(Own)
    assert service.inference({"x": [1.0]}) == {"y": [2.0]}
    assert service.signature == {"mine": 1}
    assert service.model_path is None
    assert service.stub is get_tf_server_stub()


def test_an_own_model_object_says_which_signature_of_which_model(bind_model: BindModel) -> None:
    bound = bind_model()
    service = make()
    service.model = SimpleNamespace(model_name="mine", model_signature="other")
    assert service.inference({"x": [1.0]}) == {"y": [1.0]}
    [request] = bound.stub.requests
    assert (request.model_spec.name, request.model_spec.signature_name) == ("mine", "other")


def test_an_own_model_object_on_the_class(bind_model: BindModel) -> None:
    class Own(TfServingBaseService):
        model = SimpleNamespace(model_name="mine", model_signature="other")

    bound = bind_model()
    make(Own).inference({"x": [1.0]})
    assert bound.stub.requests[0].model_spec.signature_name == "other"


def test_an_own_model_object_whose_signature_has_other_tensors(bind_model: BindModel) -> None:
    """The signature that we chose says nothing about the tensors of the one that the author names."""
    bound = bind_model(lambda inputs: {"y": inputs["images"]})
    service = make()
    service.model = SimpleNamespace(model_name="serve", model_signature="other")
    service.inference({"images": np.array([1.5], dtype=np.float32)})
    [request] = bound.stub.requests
    assert set(request.inputs) == {"images"}


def test_an_own_stub_is_the_one_that_is_called(bind_model: BindModel) -> None:
    bound = bind_model()
    own = FakeStub(lambda inputs: {"y": inputs["x"] * 10}, bound.stub.outputs)
    service = make()
    service.stub = own
    assert service.inference({"x": [1.0]}) == {"y": [10.0]}
    assert len(own.requests) == 1
    assert own.timeouts == [60.0]
    assert bound.stub.requests == []


def test_a_wrapped_stub(bind_model: BindModel) -> None:
    """Authors keep ``self.stub`` or wrap it, and call it with the deadline in second place."""

    class Own(TfServingBaseService):
        def __init__(self, model_name: str, model_path: str):
            super().__init__(model_name, model_path)
            self.mine = self.stub

        def _inference(self, data: Any) -> Any:
            from model_service.tfserving_model_service import make_tensor_proto, predict_pb2

            request = predict_pb2.PredictRequest()
            request.model_spec.name = self.model.model_name
            request.model_spec.signature_name = self.model.model_signature
            for name in self.model.model_inputs:
                request.inputs[name].CopyFrom(make_tensor_proto(data[name]))
            reply = self.mine.Predict(request, 60)
            return {name: list(reply.outputs[name].tensor_content) for name in self.model.model_outputs}

    bound = bind_model(lambda inputs: {"y": inputs["x"]}, {"x": "float32"}, {"y": "float32"})
    assert make(Own).inference({"x": [0.0]}) == {"y": [0, 0, 0, 0]}
    assert bound.stub.timeouts == [60]


def test_the_model_as_authors_see_it(bind_model: BindModel) -> None:
    bind_model(lambda inputs: {}, {"x": "float32", "n": "int64"}, {"y": "string"})
    model = make().model
    assert (model.model_name, model.model_path, model.model_signature) == ("serve", "/models/1", "predict_images")
    assert model.model_inputs == {"x": BY_NAME["float32"], "n": BY_NAME["int64"]}
    assert model.model_outputs == {"y": BY_NAME["string"]}


def test_what_is_hung_on_the_model_stays_there(bind_model: BindModel) -> None:
    bind_model()
    service = make()
    service.model.labels = ["cat", "dog"]
    assert service.model.labels == ["cat", "dog"]


def test_the_signature_is_read_again_after_a_failure(bind_model: BindModel) -> None:
    bound = bind_model()
    answers: list[Signature | None] = [None, Signature("late", {"x": spec("x")}, {"y": spec("y")})]

    def read(_client: ModelServerClient) -> Signature:
        answer = answers.pop(0)
        if answer is None:
            raise BackendUnavailable("starting")
        return answer

    runtime = AuthorRuntime("serve", "/models/1", lambda: bound.runtime.client, read)
    with pytest.raises(BackendUnavailable):
        _ = runtime.signature
    assert runtime.signature.name == "late"
