"""What a TensorFlow Lite model says about its signatures, as SignatureDefs.

Three sources, the first that has any wins: SignatureDefs in the metadata of the file (what TensorFlow Serving reads),
the signatures of the format itself (what converters write today), the model's tensors under their own names.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from model_service.model_server.dtypes import BY_NUMPY, STRING
from model_service.model_server.runtime import SignatureDef
from model_service.model_server.status import Code, ServingError

_DEFAULT_SIGNATURE = "serving_default"
_PREDICT = "tensorflow/serving/predict"
_METADATA_NAME = b"signature_defs_metadata"
_PARSE_ERRORS = (AttributeError, DecodeError, IndexError, KeyError, TypeError, ValueError, struct.error)

_Details = Mapping[str, Any]


def plain_name(tensor: str) -> str:
    """Return the name of a tensor without the number of the output it was in TensorFlow (``x:0``: ``x``)."""
    return tensor.partition(":")[0]


def own_definitions(interpreter: Any) -> dict[str, Any]:
    """Return the SignatureDefs of the format itself, by name; none is an empty dictionary."""
    found = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        found[name] = _definition(runner.get_input_details(), runner.get_output_details())
    return found


def tensor_definitions(path: Path, interpreter: Any) -> dict[str, Any]:
    """Return SignatureDefs for the inputs and outputs of the whole model, by name.

    They are called as the file's metadata say; the only one there is the default, whatever its name. Without such
    metadata there is one, and its inputs and outputs have the names of their tensors.

    Raises:
        ServingError: the metadata cannot be read, or do not fit the model.
    """
    inputs = {plain_name(detail["name"]): detail for detail in interpreter.get_input_details()}
    outputs = {plain_name(detail["name"]): detail for detail in interpreter.get_output_details()}
    described = read_metadata(path)
    if not described:
        return {_DEFAULT_SIGNATURE: _definition(inputs, outputs)}
    found = {
        name: _definition(
            _named(signature.inputs, inputs, "input"),
            _named(signature.outputs, outputs, "output"),
            signature.method_name,
        )
        for name, signature in described.items()
    }
    return {_DEFAULT_SIGNATURE: next(iter(found.values()))} if len(found) == 1 else found


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the SignatureDefs in the metadata of a file that LiteRT accepts, by name.

    Raises:
        ServingError: they cannot be read.
    """
    content = path.read_bytes()
    if _METADATA_NAME not in content:
        return {}
    # LiteRT needs both itself; they are loaded for the models that have such metadata only
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import flexbuffers

    model = schema.Model.GetRootAs(content, 0)
    try:
        for entry in (model.Metadata(index) for index in range(model.MetadataLength())):
            if entry.Name() == _METADATA_NAME:
                signatures = flexbuffers.GetRoot(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()).AsMap
                return {
                    key.AsKey: SignatureDef.FromString(value.AsStringBytes)
                    for key, value in zip(signatures.Keys, signatures.Values, strict=True)
                }
    except _PARSE_ERRORS as error:
        raise ServingError(
            Code.INVALID_ARGUMENT, f"Invalid SignatureDefs found in TfLite model: {path}: {error}"
        ) from error
    return {}


def _named(aliases: Mapping[str, Any], tensors: Mapping[str, _Details], kind: str) -> dict[str, _Details]:
    """Give every tensor the alias that a signature has for it."""
    by_tensor = {plain_name(info.name): alias for alias, info in aliases.items()}
    for name in tensors:
        if name not in by_tensor:
            raise ServingError(Code.INTERNAL, f"Cannot find signature def {kind} name from tflite {kind} tensor {name}")
    return {by_tensor[name]: detail for name, detail in tensors.items()}


def _definition(inputs: Mapping[str, _Details], outputs: Mapping[str, _Details], method: str = _PREDICT) -> Any:
    definition = SignatureDef(method_name=method)
    for target, details in ((definition.inputs, inputs), (definition.outputs, outputs)):
        for alias, detail in details.items():
            info = target[alias]
            info.name = detail["name"]
            info.dtype = _type_number(detail["dtype"], alias)
            info.tensor_shape.SetInParent()
            for size in _shape_of(detail):
                info.tensor_shape.dim.add(size=int(size))
    return definition


def _shape_of(detail: _Details) -> Iterable[int]:
    """Return the sizes, -1 for the ones that may change; scalars and models of old converters have no signature."""
    sizes: Iterable[int] = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    return sizes


def _type_number(numpy_type: Any, alias: str) -> int:
    if numpy_type in (np.bytes_, np.object_):
        return STRING.number
    element = BY_NUMPY.get(np.dtype(numpy_type))
    if element is None:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"tensor {alias} has the element type {np.dtype(numpy_type)}, which cannot be sent; convert the model "
            "with another type for its inputs and outputs",
        )
    return element.number
