"""One TensorFlow Lite model, ready to run: the same signatures as a SavedModel, on interpreters of LiteRT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from model_service.model_server.dtypes import BY_NUMPY, STRING
from model_service.model_server.engine import MakeSignature, Signature
from model_service.model_server.runtime import SignatureDef
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

FILE_NAME = "model.tflite"
_DEFAULT_SIGNATURE = "serving_default"
_PREDICT = "tensorflow/serving/predict"
_ERRORS = (RuntimeError, TypeError, ValueError)

_Details = Mapping[str, Any]


class LiteModel:
    """A TensorFlow Lite model. Safe to share between threads: as many calls run at once as there are interpreters.

    Args:
        path: the file.
        interpreters: how many; each has its own memory for tensors.
        make_signature: Signature, or what does more.

    Attributes:
        signatures: by name; a model without signatures has ``serving_default`` with its tensors' own names.

    Raises:
        ServingError: it cannot be loaded.
    """

    def __init__(self, path: Path, interpreters: int, make_signature: MakeSignature = Signature):
        self._path = path
        self._interpreter_type = _interpreter_type()
        self._free: SimpleQueue[Any] = SimpleQueue()
        first = self._make_interpreter()
        inputs = {detail["name"]: detail for detail in first.get_input_details()}
        outputs = {detail["name"]: detail for detail in first.get_output_details()}
        definitions = _definitions(first, inputs, outputs)
        self._indices = {name: detail["index"] for name, detail in {**inputs, **outputs}.items()}
        self.signatures: Mapping[str, Signature] = {
            name: make_signature(name, definition, self._make_callable) for name, definition in definitions.items()
        }
        self._free.put(first)
        for _ in range(interpreters - 1):
            self._free.put(self._make_interpreter())

    def _make_interpreter(self) -> Any:
        try:
            interpreter = self._interpreter_type(model_path=str(self._path), num_threads=1)
            interpreter.allocate_tensors()
        except _ERRORS as error:
            raise ServingError(Code.INVALID_ARGUMENT, f"{self._path}: {error}") from error
        return interpreter

    def _make_callable(self, feeds: Sequence[str], fetches: Sequence[str]) -> Any:
        feed_indices = [self._indices[name] for name in feeds]
        fetch_indices = [self._indices[name] for name in fetches]

        def run(*arrays: Array) -> list[Any]:
            interpreter = self._free.get()
            try:
                results = _run(interpreter, dict(zip(feed_indices, arrays, strict=True)), fetch_indices)
            except _ERRORS as error:
                interpreter = self._make_interpreter()  # what failed may be left half changed
                raise ServingError(Code.INVALID_ARGUMENT, str(error)) from error
            finally:
                self._free.put(interpreter)
            return results

        return run


def _interpreter_type() -> Any:
    try:
        return import_module("ai_edge_litert.interpreter").Interpreter
    except ImportError as error:
        raise ServingError(
            Code.UNIMPLEMENTED,
            "TensorFlow Lite models need LiteRT, which is not installed; run: pip install 'tf-model-service[litert]'",
        ) from error


def _run(interpreter: Any, feeds: Mapping[int, Array], fetches: Sequence[int]) -> list[Any]:
    details = {detail["index"]: detail for detail in interpreter.get_input_details()}
    resized = [(index, array) for index, array in feeds.items() if tuple(details[index]["shape"]) != array.shape]
    for index, array in resized:
        interpreter.resize_tensor_input(index, array.shape)
    if resized:
        interpreter.allocate_tensors()
    for index, array in feeds.items():
        interpreter.set_tensor(index, array)
    interpreter.invoke()
    return [interpreter.get_tensor(index) for index in fetches]


def _definitions(interpreter: Any, inputs: Mapping[str, _Details], outputs: Mapping[str, _Details]) -> dict[str, Any]:
    found = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        found[name] = _definition(runner.get_input_details(), runner.get_output_details())
    if not found:
        found[_DEFAULT_SIGNATURE] = _definition(_by_alias(inputs), _by_alias(outputs))
    return found


def _by_alias(details: Mapping[str, _Details]) -> dict[str, _Details]:
    return {name.partition(":")[0]: detail for name, detail in details.items()}


def _definition(inputs: Mapping[str, _Details], outputs: Mapping[str, _Details]) -> Any:
    definition = SignatureDef(method_name=_PREDICT)
    for target, details in ((definition.inputs, inputs), (definition.outputs, outputs)):
        for alias, detail in details.items():
            info = target[alias]
            info.name = detail["name"]
            info.dtype = _type_number(detail["dtype"], alias)
            for size in detail["shape_signature"]:
                info.tensor_shape.dim.add(size=int(size))
    return definition


def _type_number(numpy_type: Any, alias: str) -> int:
    if numpy_type in (np.bytes_, np.object_):
        return STRING.number
    element = BY_NUMPY.get(np.dtype(numpy_type))
    if element is None:
        raise ServingError(Code.UNIMPLEMENTED, f"tensor {alias} has the element type {np.dtype(numpy_type)}")
    return element.number
