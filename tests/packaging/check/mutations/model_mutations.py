"""Mutations of a SavedModel: its files, and what its signature says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from model_service.tfs.protos import saved_model_pb2

from .mutation import INDEX, MODEL, Mutation

_DOUBLE, _INT32, _STRING = 2, 3, 7  # TensorFlow's numbers of element types


def model_mutations(content: bytes) -> Iterator[Mutation]:
    """Yield mutations of a SavedModel, given the content of saved_model.pb."""
    yield Mutation("model file", f"{MODEL} removed", {MODEL: None})
    yield Mutation("model file", f"{MODEL} cut", {MODEL: content[: len(content) // 2]})
    yield Mutation("model file", f"{MODEL} is text", {MODEL: b"version https://git-lfs.github.com/spec/v1\n"})
    yield Mutation("model file", f"{MODEL} is empty", {MODEL: b""})
    model = saved_model_pb2.SavedModel.FromString(content)
    if any(node.op == "VarHandleOp" for node in model.meta_graphs[0].graph_def.node):
        yield Mutation("model file", f"{INDEX} removed", {INDEX: None})
    for name, change in _SIGNATURE_CHANGES.items():
        model = saved_model_pb2.SavedModel.FromString(content)
        change(model.meta_graphs[0])
        yield Mutation("signature", f"{MODEL}: {name}", {MODEL: model.SerializeToString()})


def _signature(graph: Any) -> Any:
    return graph.signature_def[_signature_name(graph)]


def _signature_name(graph: Any) -> str:
    return min(str(key) for key in graph.signature_def if not key.startswith("__"))


def _rename_tensors(tensors: Any) -> None:
    for name in list(tensors):
        tensors[f"{name}_2"].CopyFrom(tensors[name])
        del tensors[name]


def _set_dtype(tensors: Any, dtype: int) -> None:
    for name in tensors:
        tensors[name].dtype = dtype


def _close_batch(tensors: Any) -> None:
    for name in tensors:
        tensors[name].tensor_shape.dim[0].size = 1


def _rename_graph_tensors(tensors: Any) -> None:
    for name in tensors:
        tensors[name].name = f"absent_{tensors[name].name}"


def _two_signatures(graph: Any) -> None:
    name = _signature_name(graph)
    for other in ("first", "second"):
        graph.signature_def[other].CopyFrom(graph.signature_def[name])
    del graph.signature_def[name]


def _no_signature(graph: Any) -> None:
    del graph.signature_def[_signature_name(graph)]


def _set_tag(graph: Any) -> None:
    del graph.meta_info_def.tags[:]
    graph.meta_info_def.tags.append("train")


_SIGNATURE_CHANGES: Mapping[str, Callable[[Any], None]] = {
    "inputs renamed": lambda graph: _rename_tensors(_signature(graph).inputs),
    "outputs renamed": lambda graph: _rename_tensors(_signature(graph).outputs),
    "input dtype double": lambda graph: _set_dtype(_signature(graph).inputs, _DOUBLE),
    "input dtype int32": lambda graph: _set_dtype(_signature(graph).inputs, _INT32),
    "input dtype string": lambda graph: _set_dtype(_signature(graph).inputs, _STRING),
    "input of one row": lambda graph: _close_batch(_signature(graph).inputs),
    "inputs that the graph has not": lambda graph: _rename_graph_tensors(_signature(graph).inputs),
    "outputs that the graph has not": lambda graph: _rename_graph_tensors(_signature(graph).outputs),
    "two signatures": _two_signatures,
    "no signature": _no_signature,
    "another tag": _set_tag,
}
