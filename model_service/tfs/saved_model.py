"""What a ``saved_model.pb`` says about itself, read without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_service.tfs.signature import SERVE_TAG, Signature, SignatureError, parse_saved_model, serving_signature

_VARIABLE_OPS = frozenset({"VarHandleOp", "VariableV2", "Variable"})


@dataclass(frozen=True)
class SavedModelFacts:
    """What a SavedModel tells.

    Attributes:
        tensorflow_version: of the TensorFlow that wrote it; "" if it does not say.
        tags: of each graph.
        signature_names: all of the graph with the tag ``serve``, sorted.
        has_variables: a graph has variables, so that there must be files of them.
        signature: the one that is called; None if none can be chosen.
        signature_problem: why none can; "" if one is.
    """

    tensorflow_version: str
    tags: tuple[tuple[str, ...], ...]
    signature_names: tuple[str, ...]
    has_variables: bool
    signature: Signature | None
    signature_problem: str

    @property
    def has_serve_graph(self) -> bool:
        """Whether a graph has exactly the tag ``serve``."""
        return (SERVE_TAG,) in self.tags


def read_saved_model_facts(path: Path) -> SavedModelFacts:
    """Read a ``saved_model.pb``.

    Raises:
        SignatureError: it cannot be read, or is none.
    """
    saved_model = parse_saved_model(path)
    graphs = list(saved_model.meta_graphs)
    serving = (graph for graph in graphs if set(graph.meta_info_def.tags) == {SERVE_TAG})
    signature, problem = None, ""
    try:
        signature = serving_signature(saved_model, str(path))
    except SignatureError as error:
        problem = str(error)
    return SavedModelFacts(
        tensorflow_version=graphs[0].meta_info_def.tensorflow_version if graphs else "",
        tags=tuple(tuple(sorted(graph.meta_info_def.tags)) for graph in graphs),
        signature_names=tuple(sorted(name for graph in serving for name in graph.signature_def)),
        has_variables=any(node.op in _VARIABLE_OPS for graph in graphs for node in graph.graph_def.node),
        signature=signature,
        signature_problem=problem,
    )


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
