"""What a ``saved_model.pb`` says about itself, read without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from model_service.errors import PackageError
from model_service.tfs.protos import saved_model_pb2
from model_service.tfs.signature import SERVE_TAG, Signature, SignatureError, choose_signature


@dataclass(frozen=True)
class SavedModelFacts:
    """What a SavedModel tells.

    Attributes:
        tensorflow_version: of the TensorFlow that wrote it; "" if it does not say.
        tags: of each graph.
        signature_names: all of the graph with the tag ``serve``, sorted.
        signature: the one that is called; None if none can be chosen.
        signature_problem: why none can; "" if one is.
    """

    tensorflow_version: str
    tags: tuple[tuple[str, ...], ...]
    signature_names: tuple[str, ...]
    signature: Signature | None
    signature_problem: str


def read_saved_model_facts(path: Path) -> SavedModelFacts:
    """Read a ``saved_model.pb``.

    Raises:
        PackageError: it cannot be read, or is none.
    """
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise PackageError(f"{path}: cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise PackageError(f"{path}: not a SavedModel (its bytes are no SavedModel message)") from error
    graphs = list(saved_model.meta_graphs)
    versions = [graph.meta_info_def.tensorflow_version for graph in graphs]
    tags = tuple(tuple(sorted(graph.meta_info_def.tags)) for graph in graphs)
    serving = next((graph for graph in graphs if set(graph.meta_info_def.tags) == {SERVE_TAG}), None)
    definitions: Mapping[str, Any] = serving.signature_def if serving is not None else {}
    signature, problem = None, ""
    try:
        signature = choose_signature(definitions, str(path))
    except SignatureError as error:
        problem = str(error)
    return SavedModelFacts(next(iter(versions), ""), tags, tuple(sorted(definitions)), signature, problem)


def signature_as_json(signature: Signature) -> dict[str, Any]:
    """Return a signature as JSON; open dimensions and unknown shapes are null."""
    return {
        "name": signature.name,
        **{
            side: {
                name: {"dtype": str(spec.dtype.name), "shape": None if spec.shape is None else list(spec.shape)}
                for name, spec in specs.items()
            }
            for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs))
        },
    }
