"""What Classify and Regress have in common: they run a signature that takes serialised examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from model_service.model_server.dtypes import BY_NUMPY, STRING, type_name
from model_service.model_server.engine import Signature
from model_service.model_server.examples import to_serialized_examples
from model_service.model_server.predict import DEFAULT_SIGNATURE
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array
from model_service.model_server.versions import Servable

INPUTS = "inputs"

# From a signature to the aliases of the outputs that an answer is made from, or ServingError if it does not fit.
ChooseOutputs = Callable[[Signature, bool], tuple[str, ...]]


def invalid(text: str) -> ServingError:
    """Make the error for a signature or an output that does not fit."""
    return ServingError(Code.INVALID_ARGUMENT, text)


def find_signature(servable: Servable, name: str) -> Signature:
    """Return the signature a request names; without a name ``serving_default``.

    Raises:
        ServingError: there is none of this name.
    """
    signature = servable.model.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name or DEFAULT_SIGNATURE}")
    return signature


def check_method_name(signature: Signature, kind: str, wanted: str) -> None:
    """Refuse a signature that was made for another method; only with ``--enable_signature_method_name_check``.

    Raises:
        ServingError: its method name is not the wanted one.
    """
    found = signature.definition.method_name
    if found != wanted:
        raise invalid(f"Expected {kind} signature method_name to be {wanted}. Was: {found}")


def run_on_examples(signature: Signature, sent: Any, outputs: tuple[str, ...]) -> tuple[int, Mapping[str, Array]]:
    """Run a signature on the examples of an ``Input``.

    Returns:
        The number of examples, and the wanted outputs by alias.

    Raises:
        ServingError: there is no example, or the model fails.
    """
    examples = to_serialized_examples(sent)
    for entry in signature.inputs:
        if entry.dtype != STRING.number:
            raise invalid(f"Expects arg[{entry.position}] to be {type_name(entry.dtype)} but string is provided")
    results = signature.run([examples] * len(signature.inputs), outputs)
    return len(examples), {alias: _to_array(result) for alias, result in zip(outputs, results, strict=True)}


def fill_model_spec(spec: Any, servable: Servable, signature: Signature) -> None:
    """Say in a response which version and signature answered."""
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature.name


def type_text(array: Array) -> str:
    """Return the name of an output's element type as ``types.proto`` spells it: ``DT_FLOAT``."""
    element = BY_NUMPY.get(array.dtype)
    return f"DT_{(element or STRING).name.upper()}"


def shape_text(array: Array) -> str:
    """Return an output's shape the way TensorFlow prints it: ``[2,1]``."""
    return f"[{','.join(map(str, array.shape))}]"


def _to_array(result: Any) -> Array:
    return result if isinstance(result, np.ndarray) else np.array(result, dtype=object)
