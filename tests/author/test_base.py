"""The base classes behave as authors know them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import model_service.model_service
import model_service.tfserving_model_service
import model_service.tfserving_vision_service
from model_service.author.base import ModelService, SingleNodeService
from model_service.author.tfserving import TfServingBaseService
from model_service.tfs.protos import predict_pb2


class Hooks(SingleNodeService):
    def __init__(self) -> None:
        self.order: list[tuple[str, Any]] = []

    def _preprocess(self, data: Any) -> Any:
        self.order.append(("_preprocess", data))
        return None

    def _inference(self, data: Any) -> Any:
        self.order.append(("_inference", data))
        return {"y": 1}

    def _postprocess(self, data: Any) -> Any:
        self.order.append(("_postprocess", data))
        return [data]


def test_each_hook_gets_what_the_one_before_returned() -> None:
    service = Hooks()
    assert service.inference({"x": 1}) == [{"y": 1}]
    assert service.order == [("_preprocess", {"x": 1}), ("_inference", None), ("_postprocess", {"y": 1})]


def test_hooks_that_are_not_overridden_change_nothing() -> None:
    data = object()
    assert SingleNodeService("serve", "/models/1").inference(data) is data


def test_nothing_is_enforced() -> None:
    service = ModelService("serve", "/models/1")
    assert service.ctx is None
    assert service.inference({}) is None
    assert service.ping() is None
    assert service.signature() is None


def test_timings_are_logged_in_milliseconds(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("model_service"), "propagate", True)
    caplog.set_level(logging.INFO, "model_service.timing")
    Hooks().inference({})
    labels = [record.getMessage().rpartition(": ")[0] for record in caplog.records]
    assert labels == ["preprocess time", "infer time", "postprocess time", "latency"]
    assert all(record.getMessage().endswith("ms") for record in caplog.records)


def test_timings_cost_nothing_when_nobody_looks(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "model_service.timing")
    Hooks().inference({})
    assert caplog.records == []


def test_an_exception_passes_through() -> None:
    class Failing(Hooks):
        def _inference(self, data: Any) -> Any:
            raise KeyError("x")

    with pytest.raises(KeyError):
        Failing().inference({})


def test_the_names_that_authors_import() -> None:
    names = model_service.model_service
    assert names.ModelService is ModelService
    assert names.SingleNodeService is SingleNodeService
    assert names.IMAGE_ALLOW_EXTENSIONS == [".jpg", ".jpeg", ".gif", ".png"]
    assert names.CUSTOMIZED_CONVERTER is None
    assert callable(names.load_service)
    tensorflow_names = model_service.tfserving_model_service
    assert tensorflow_names.TfServingBaseService is TfServingBaseService
    assert tensorflow_names.SingleNodeService is SingleNodeService
    assert tensorflow_names.predict_pb2 is predict_pb2
    assert tensorflow_names.get_tf_server_stub is names.get_tf_server_stub
    assert tensorflow_names.make_tensor_proto([1.5]).dtype == 1
    assert issubclass(model_service.tfserving_vision_service.TfServingVisionService, TfServingBaseService)


def test_the_tree_of_the_classes() -> None:
    assert TfServingBaseService.__mro__[1:3] == (SingleNodeService, ModelService)
