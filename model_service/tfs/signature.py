"""Which signature of a SavedModel is called, and what its tensors look like.

Read from ``saved_model.pb`` without TensorFlow, or from a server's GetModelMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from model_service.errors import PackageError
from model_service.tfs.dtypes import BY_NUMBER, DType
from model_service.tfs.protos import saved_model_pb2

DEFAULT_SIGNATURE = "serving_default"
SERVE_TAG = "serve"
# TensorFlow 2 writes these beside the real signatures; they take and give nothing a caller could use.
_PSEUDO_SIGNATURES = frozenset({"__saved_model_init_op", "__saved_model_train_op"})


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a signature.

    ``shape`` is None when the rank is unknown; a dimension is None when it is open.
    """

    name: str
    dtype: DType
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name}: {self.dtype.name}, any shape"
        dimensions = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype.name} [{dimensions}]"


@dataclass(frozen=True)
class Signature:
    """The one signature that requests call: its name and its tensors by key."""

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


class SignatureError(PackageError):
    """No signature can be chosen."""


def read_saved_model_signature(model_directory: Path) -> Signature:
    """Choose the signature of the SavedModel in a folder.

    Raises:
        SignatureError: the file is missing or no SavedModel, no graph has the tag ``serve``, or neither a single
            signature nor ``serving_default`` exists.
    """
    path = model_directory / "saved_model.pb"
    return serving_signature(parse_saved_model(path), str(path))


def parse_saved_model(path: Path) -> Any:
    """Return the message in a ``saved_model.pb``.

    Raises:
        SignatureError: it cannot be read, or is none.
    """
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise SignatureError(f"{path}: cannot read the SavedModel: {error.strerror}") from error
    except DecodeError as error:
        raise SignatureError(f"{path}: not a SavedModel (its bytes are no SavedModel message)") from error
    return saved_model


def serving_signature(saved_model: Any, source: str) -> Signature:
    """Choose the signature of the graph with the tag ``serve``.

    Raises:
        SignatureError: there is no such graph, or none of its signatures can be chosen.
    """
    for graph in saved_model.meta_graphs:
        if set(graph.meta_info_def.tags) == {SERVE_TAG}:
            return choose_signature(graph.signature_def, source)
    tags = [sorted(graph.meta_info_def.tags) for graph in saved_model.meta_graphs]
    raise SignatureError(
        f"{source}: no graph has exactly the tag {SERVE_TAG!r}; it has {tags}. Export the model with that tag."
    )


def choose_signature(signature_defs: Mapping[str, Any], source: str) -> Signature:
    """Choose from ``{name: SignatureDef}``: the only one, else ``serving_default``.

    Raises:
        SignatureError: neither exists; the message lists what ``source`` has.
    """
    names = sorted(name for name in signature_defs if name not in _PSEUDO_SIGNATURES)
    if len(names) == 1:
        name = names[0]
    elif DEFAULT_SIGNATURE in names:
        name = DEFAULT_SIGNATURE
    else:
        have = "\n".join(f"  {name}: {_describe(signature_defs[name])}" for name in names) or "  none"
        raise SignatureError(
            f"{source}: the model must have exactly one signature, or one called {DEFAULT_SIGNATURE!r}. It has:\n{have}"
        )
    definition = signature_defs[name]
    return Signature(name, _tensor_specs(definition.inputs), _tensor_specs(definition.outputs))


def _tensor_specs(infos: Mapping[str, Any]) -> dict[str, TensorSpec]:
    specs = {}
    for name in sorted(infos):
        info = infos[name]
        if info.dtype not in BY_NUMBER:
            raise SignatureError(f"tensor {name!r} has an element type (number {info.dtype}) that cannot be sent")
        shape: tuple[int | None, ...] | None = None
        if not info.tensor_shape.unknown_rank:
            shape = tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
        specs[name] = TensorSpec(name, BY_NUMBER[info.dtype], shape)
    return specs


def _describe(definition: Any) -> str:
    return f"{', '.join(sorted(definition.inputs))} -> {', '.join(sorted(definition.outputs))}"
