"""One TensorFlow Lite model, ready to run: the same signatures as a SavedModel, on interpreters of LiteRT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from model_service.model_server.engine import MakeSignature, Signature
from model_service.model_server.lite_signatures import own_definitions, read_metadata, tensor_definitions
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

FILE_NAME = "model.tflite"
_ERRORS = (OverflowError, RuntimeError, TypeError, ValueError)

# Arrays by the key of their input, to results by the key of their output.
_Run = Callable[[Mapping[str, Array]], Mapping[str, Any]]


class LiteModel:
    """A TensorFlow Lite model. Safe to share between threads: as many calls run at once as there are interpreters.

    Args:
        path: the file.
        interpreters: how many; each has its own memory for tensors.
        make_signature: Signature, or what does more.

    Attributes:
        signatures: by name; see lite_signatures for where they come from.

    Raises:
        ServingError: it cannot be loaded.
    """

    def __init__(self, path: Path, interpreters: int, make_signature: MakeSignature = Signature):
        self._path = path
        self._interpreter_type = _interpreter_type()
        first = self._make_interpreter()
        definitions = own_definitions(first)
        self._has_runners = bool(definitions) and not read_metadata(path)
        if not self._has_runners:
            definitions = tensor_definitions(path, first)
        self._names = tuple(definitions)
        self._shapes = _loaded_shapes(first, definitions if self._has_runners else {})
        self._free: SimpleQueue[Mapping[str, _Run]] = SimpleQueue()
        for number in range(interpreters):
            self._free.put(self._runs_of(self._make_interpreter() if number else first))
        self.signatures: Mapping[str, Signature] = {
            name: make_signature(name, definition, partial(self._make_callable, name, definition))
            for name, definition in definitions.items()
        }

    def _make_interpreter(self) -> Any:
        try:
            interpreter = self._interpreter_type(model_path=str(self._path), num_threads=1)
            interpreter.allocate_tensors()
        except _ERRORS as error:
            raise ServingError(Code.INVALID_ARGUMENT, f"{self._path}: {error}") from error
        return interpreter

    def _runs_of(self, interpreter: Any) -> Mapping[str, _Run]:
        """Return what runs each signature on an interpreter: a runner of LiteRT, or ours for the whole model."""
        if self._has_runners:
            runners = {name: interpreter.get_signature_runner(name) for name in self._names}
            return {name: partial(_run_signature, runner) for name, runner in runners.items()}
        return dict.fromkeys(self._names, _TensorRun(interpreter))

    def _make_callable(self, name: str, definition: Any, feeds: Sequence[str], fetches: Sequence[str]) -> Any:
        feed_keys = self._keys(definition.inputs, feeds)
        fetch_keys = self._keys(definition.outputs, fetches)
        shapes = [self._shapes[feed] for feed in feeds]

        def run(*arrays: Array) -> list[Any]:
            fitted = [_fitted(array, shape) for array, shape in zip(arrays, shapes, strict=True)]
            runs = self._free.get()
            try:
                results = runs[name](dict(zip(feed_keys, fitted, strict=True)))
            except _ERRORS as error:
                runs = self._runs_of(self._make_interpreter())  # what failed may be left half changed
                raise _refusal(feeds, fitted, shapes, error) from error
            finally:
                self._free.put(runs)
            return [results[key] for key in fetch_keys]

        return run

    def _keys(self, infos: Mapping[str, Any], tensors: Sequence[str]) -> list[str]:
        """Return what the run of a signature calls these tensors."""
        if not self._has_runners:
            return list(tensors)
        aliases = {info.name: alias for alias, info in infos.items()}
        if not set(tensors) <= set(aliases):
            raise ServingError(Code.UNIMPLEMENTED, "signatures of a TensorFlow Lite model cannot be run together")
        return [aliases[tensor] for tensor in tensors]


class _TensorRun:
    """Runs the whole model on one interpreter; inputs and outputs have the names of their tensors."""

    def __init__(self, interpreter: Any):
        self._interpreter = interpreter
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        self._inputs: Mapping[str, int] = {detail["name"]: detail["index"] for detail in inputs}
        self._outputs: Mapping[str, int] = {detail["name"]: detail["index"] for detail in outputs}
        self._shapes = {detail["name"]: tuple(detail["shape"]) for detail in inputs}

    def __call__(self, arrays: Mapping[str, Array]) -> Mapping[str, Any]:
        interpreter = self._interpreter
        resized = [name for name, array in arrays.items() if array.shape != self._shapes[name]]
        for name in resized:
            interpreter.resize_tensor_input(self._inputs[name], arrays[name].shape)
            self._shapes[name] = arrays[name].shape
        if resized:
            interpreter.allocate_tensors()
        for name, array in arrays.items():
            interpreter.set_tensor(self._inputs[name], array)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in self._outputs.items()}


def _run_signature(runner: Any, arrays: Mapping[str, Array]) -> Mapping[str, Any]:
    results: Mapping[str, Any] = runner(**arrays)
    return results


def _interpreter_type() -> Any:
    try:
        return import_module("ai_edge_litert.interpreter").Interpreter
    except ImportError as error:
        raise ServingError(
            Code.UNIMPLEMENTED,
            "TensorFlow Lite models need LiteRT, which is not installed; run: pip install 'tf-model-service[litert]'",
        ) from error


def _loaded_shapes(interpreter: Any, definitions: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that inputs have before any call, by the names of their tensors."""
    details = [
        *interpreter.get_input_details(),
        *(
            detail
            for name in definitions
            for detail in interpreter.get_signature_runner(name).get_input_details().values()
        ),
    ]
    return {detail["name"]: tuple(int(size) for size in detail["shape"]) for detail in details}


def _fitted(array: Array, shape: tuple[int, ...]) -> Array:
    """Give an array of another rank the model's shape if it has as many elements, as the real server does."""
    if array.ndim != len(shape) and array.size == _count(shape):
        return array.reshape(shape)
    return array


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _refusal(
    names: Sequence[str], arrays: Sequence[Array], shapes: Sequence[tuple[int, ...]], error: Exception
) -> ServingError:
    for name, array, shape in zip(names, arrays, shapes, strict=True):
        if array.shape != shape:
            before = _count(shape) * array.itemsize
            return ServingError(
                Code.INTERNAL,
                f"Failed to AllocateTensors() due to change in input tensor {name} size from {before} to "
                f"{array.nbytes} bytes. The model does not take the shape {list(array.shape)}: {error}",
            )
    return ServingError(Code.INTERNAL, f"Failed to run interpreter. {error}")
