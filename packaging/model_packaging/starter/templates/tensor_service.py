"""The inputs of the model as JSON in, its outputs as JSON out.

A first service for any model, written by ``model-service package build``. It works as it is; change it until callers
need to know nothing of tensors, and keep the contract in config.json in step.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_service.errors import BadRequest
from model_service.tfserving_model_service import TfServingBaseService

# The inputs of the model: element type and shape. A dimension that is None may have any size, a shape that is None
# any number of dimensions.
INPUTS: dict[str, tuple[str, tuple[int | None, ...] | None]] = {"x": ("float32", (None,))}
ROWS = ""  # the property with the rows of a request, each an object with every input; "": inputs are properties


class TensorService(TfServingBaseService):
    """Answers the raw outputs for the tensors of a request."""

    def _preprocess(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Make an array of each input; ``data`` is the JSON body."""
        values = {name: [row[name] for row in data[ROWS]] for name in INPUTS} if ROWS else data
        return {name: to_tensor(name, values[name], kind, shape) for name, (kind, shape) in INPUTS.items()}

    def _postprocess(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``{output: nested lists}``."""
        return {name: to_json(value) for name, value in data.items()}


def to_tensor(name: str, value: Any, kind: str, shape: tuple[int | None, ...] | None) -> NDArray[Any]:
    """Make an array of an input, or tell the caller why it is none."""
    try:
        with np.errstate(over="ignore"):
            tensor: NDArray[Any] = np.asarray(value, dtype=object if kind == "string" else kind)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadRequest(f"{name}: is no array of {kind}; are all of its rows of one length?") from error
    wanted = "any" if shape is None else " x ".join("?" if size is None else str(size) for size in shape)
    if shape is not None and (
        tensor.ndim != len(shape)
        or any(size not in (None, found) for size, found in zip(shape, tensor.shape, strict=True))
    ):
        raise BadRequest(f"{name}: has the shape {' x '.join(map(str, tensor.shape))}; it must be {wanted}")
    if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
        raise BadRequest(f"{name}: holds a number that is too large for {kind}")
    return tensor


def to_json(value: Any) -> Any:
    """Turn bytes, which TensorFlow has for text, into text; refuse what JSON has no number for."""
    if isinstance(value, list):
        return [to_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise BadRequest("the model has no finite answer to these values", status=422)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
