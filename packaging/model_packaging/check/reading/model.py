"""The SavedModel, as far as its graph can be read: whether a signature can be chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.subject import Subject
from model_service.package.layout import SAVED_MODEL_NAME
from model_service.tfs.protos import saved_model_pb2
from model_service.tfs.signature import SERVE_TAG, Signature

_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})


@dataclass(frozen=True)
class ModelFacts:
    """What the graph tells.

    Attributes:
        is_readable: the file is a SavedModel.
        has_serve_graph: a graph has exactly the tag ``serve``.
        has_variables: a graph has variables.
    """

    is_readable: bool
    has_serve_graph: bool = False
    has_variables: bool = False


def read_model(path: Path | None) -> ModelFacts | None:
    """Read saved_model.pb; None: there is none."""
    if path is None:
        return None
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString(path.read_bytes())
    except (OSError, DecodeError):
        return ModelFacts(False)
    graphs = saved_model.meta_graphs
    if not graphs:
        return ModelFacts(False)
    return ModelFacts(
        True,
        any(set(graph.meta_info_def.tags) == {SERVE_TAG} for graph in graphs),
        any(node.op in _VARIABLE_OPS for graph in graphs for node in graph.graph_def.node),
    )


def check_model(subject: Subject, facts: ModelFacts | None, needs_model: bool) -> Iterator[Finding]:
    """Yield why no signature can be called, if the service calls one."""
    if facts is None or not needs_model:
        return
    place = Place(SAVED_MODEL_NAME)
    if not facts.is_readable:
        yield finding("unreadable-model", place, "is no SavedModel: it is empty, cut off, or something else")
    elif not facts.has_serve_graph:
        yield finding("no-serve-graph", place, subject.signature_problem.partition(": ")[2])
    elif subject.signature is None:
        yield finding("no-signature", place, subject.signature_problem.partition(": ")[2])
    else:
        yield from _check_batch_dimension(place, subject.signature)


def _check_batch_dimension(place: Place, signature: Signature) -> Iterator[Finding]:
    closed = [str(spec) for spec in signature.inputs.values() if spec.shape and spec.shape[0] is not None]
    if closed and len(closed) == len(signature.inputs):
        message = f"the signature {signature.name} takes inputs of one size only: {', '.join(closed)}"
        yield finding("batch-dimension-closed", place, message)
