"""The message classes of TensorFlow Serving, without the TensorFlow runtime.

``tensorflow_serving.apis.*_pb2`` import only generated message modules below ``tensorflow.core``, but importing those
runs ``tensorflow/__init__.py``: 2 seconds and 500 MB. While the messages load, a bare module with TensorFlow's folder
as its ``__path__`` stands in for the package. Afterwards every ``tensorflow`` entry is taken out of ``sys.modules``
again, so that a later ``import tensorflow`` by the author's code runs as usual; generated classes live in protobuf's
descriptor pool and stay identical.

This module must be imported before other threads import TensorFlow.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from model_service.errors import ModelServiceError


class MessagesMissing(ModelServiceError):
    """The TensorFlow or TensorFlow Serving message modules are not installed."""


def _loaded_tensorflow_names() -> list[str]:
    return [name for name in sys.modules if name == "tensorflow" or name.startswith("tensorflow.")]


@contextmanager
def _tensorflow_stand_in() -> Iterator[None]:
    """Let ``tensorflow.core...`` be imported without running TensorFlow's own ``__init__``."""
    if "tensorflow" in sys.modules:
        yield
        return
    spec = PathFinder.find_spec("tensorflow")
    if spec is None or spec.submodule_search_locations is None:
        raise MessagesMissing("the message modules of TensorFlow are missing; run: pip install tensorflow")
    stand_in = ModuleType("tensorflow")
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = stand_in
    try:
        yield
    finally:
        for name in _loaded_tensorflow_names():
            del sys.modules[name]


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MessagesMissing(
            f"cannot import {name}: no module {error.name}; run: pip install tensorflow-serving-api"
        ) from error


def message_module(name: str) -> Any:
    """Import a further module of ``tensorflow_serving.apis``, as ``classification_pb2``, without the runtime.

    Raises:
        MessagesMissing: it is not installed.
    """
    with _tensorflow_stand_in():
        return _import(f"tensorflow_serving.apis.{name}")


with _tensorflow_stand_in():
    predict_pb2 = _import("tensorflow_serving.apis.predict_pb2")
    get_model_metadata_pb2 = _import("tensorflow_serving.apis.get_model_metadata_pb2")
    get_model_status_pb2 = _import("tensorflow_serving.apis.get_model_status_pb2")
    prediction_service_pb2_grpc = _import("tensorflow_serving.apis.prediction_service_pb2_grpc")
    model_service_pb2_grpc = _import("tensorflow_serving.apis.model_service_pb2_grpc")
    saved_model_pb2 = _import("tensorflow.core.protobuf.saved_model_pb2")
    meta_graph_pb2 = _import("tensorflow.core.protobuf.meta_graph_pb2")
    tensor_pb2 = _import("tensorflow.core.framework.tensor_pb2")
    types_pb2 = _import("tensorflow.core.framework.types_pb2")
