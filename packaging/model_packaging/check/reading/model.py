"""The SavedModel, as far as its graph can be read: whether a signature can be chosen."""

from __future__ import annotations

from collections.abc import Iterator

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.subject import Subject
from model_service.package.layout import SAVED_MODEL_NAME
from model_service.tfs.signature import Signature


def check_model(subject: Subject, needs_model: bool) -> Iterator[Finding]:
    """Yield why no signature can be called, if the service calls one."""
    if subject.layout.saved_model_path is None or not needs_model:
        return
    place, facts = Place(SAVED_MODEL_NAME), subject.model
    if facts is None or not facts.tags:
        yield finding("unreadable-model", place, "is no SavedModel: it is empty, cut off, or something else")
    elif not facts.has_serve_graph:
        yield finding("no-serve-graph", place, facts.signature_problem.partition(": ")[2])
    elif facts.signature is None:
        yield finding("no-signature", place, facts.signature_problem.partition(": ")[2])
    else:
        yield from _check_batch_dimension(place, facts.signature)


def _check_batch_dimension(place: Place, signature: Signature) -> Iterator[Finding]:
    closed = [str(spec) for spec in signature.inputs.values() if spec.shape and spec.shape[0] is not None]
    if closed and len(closed) == len(signature.inputs):
        message = f"the signature {signature.name} takes inputs of one size only: {', '.join(closed)}"
        yield finding("batch-dimension-closed", place, message)
