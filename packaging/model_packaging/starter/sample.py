"""A request to a model, and the answer that the model really gives to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_packaging.errors import BuildRefused
from model_packaging.starter.plan import PictureInput, has_rows
from model_service.tfs.signature import Signature, TensorSpec

Tensors = Mapping[str, NDArray[Any]]

_ROWS = 2  # more than one, so that an output that does not follow shows
_OPEN_SIZE = 4
_SEED = 1


def make_sample(signature: Signature, picture: PictureInput | None) -> dict[str, NDArray[Any]]:
    """Make inputs that fit the signature: every open dimension gets a size.

    Returns:
        An array for each input, by tensor key; numbers are from 0 to 1.
    """
    if picture is not None:
        rows = 1 if picture.most_pictures else _ROWS
        pixels = np.random.default_rng(_SEED).random((rows, *picture.row_shape))
        return {picture.spec.name: pixels.astype(_numpy_name(picture.spec))}
    batch = _ROWS if has_rows(signature) else 1
    return {name: _fill(spec, batch) for name, spec in signature.inputs.items()}


def _fill(spec: TensorSpec, batch: int) -> NDArray[Any]:
    open_shape = (batch,) if spec.shape is None else spec.shape
    shape = tuple(
        (batch if axis == 0 else _OPEN_SIZE) if size is None else size for axis, size in enumerate(open_shape)
    )
    if spec.dtype.name == "string":
        return np.full(shape, b"a", dtype=object)
    return np.random.default_rng(_SEED).integers(0, 2, shape).astype(_numpy_name(spec))


def _numpy_name(spec: TensorSpec) -> str:
    """NumPy knows no bfloat16; float32 is sent in its place and converted on the way."""
    return "float32" if spec.dtype.name == "bfloat16" else spec.dtype.name


def read_sample(signature: Signature, sample: object) -> dict[str, NDArray[Any]] | None:
    """Bring a sample that was given into the form {tensor key: array}.

    Args:
        signature: the model's.
        sample: an array if the model has one input, or a mapping with an array for each; None: there is none.

    Raises:
        BuildRefused: it is not what the signature takes.
    """
    if sample is None:
        return None
    keys = sorted(signature.inputs)
    by_key = dict(sample) if isinstance(sample, Mapping) else {keys[0]: sample}
    if sorted(map(str, by_key)) != keys:
        given = ", ".join(sorted(map(str, by_key)))
        raise BuildRefused(
            f"the sample is for {given}; the model takes {', '.join(keys)}: give an array for each by name"
        )
    arrays = {}
    for key, spec in signature.inputs.items():
        try:
            array = np.asarray(by_key[key], dtype=object if spec.dtype.name == "string" else None)
        except ValueError as error:
            raise BuildRefused(f"the sample for {key} is no array: {error}") from error
        _check_sample(array, spec)
        arrays[key] = array
    return arrays


def _check_sample(array: NDArray[Any], spec: TensorSpec) -> None:
    title = f"the sample for {spec.name}"
    is_text = spec.dtype.name == "string"
    if not array.size or not (is_text or array.dtype.kind in "biuf"):
        raise BuildRefused(f"{title} must hold at least one row of numbers")
    fits = spec.shape is None or (
        array.ndim == len(spec.shape)
        and all(size in (None, found) for size, found in zip(spec.shape, array.shape, strict=True))
    )
    if not fits:
        raise BuildRefused(f"{title} has the shape {list(array.shape)}; the model takes {spec}")
    if not is_text and not np.isfinite(array).all():
        raise BuildRefused(f"{title} holds a value that is no finite number")


def ask_model(saved_model: Path, signature: Signature, sample: Tensors) -> dict[str, NDArray[Any]]:
    """Start a model server, run one Predict, and return every output by tensor key.

    Raises:
        ModelServiceError: the server cannot be started, or refuses the sample.
    """
    from model_service.backend.local import local_model_server

    with local_model_server(saved_model) as client:
        return next(iter(client.predict_many([sample], signature)))
