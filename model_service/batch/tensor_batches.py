"""Without hooks: rows of arrays and values become batches of what the model takes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_service.batch.items import Batch, CellsContent, Item, ValueContent, in_batches
from model_service.batch.sources import ArraySource, Source
from model_service.errors import InputRefused, ModelServiceError, SettingsError
from model_service.tfs.dtypes import STRING
from model_service.tfs.signature import Signature, TensorSpec

Array = np.ndarray[Any, Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class TensorBatch:
    """The rows of one batch.

    Attributes:
        number: the batch's.
        first: the index of its first item.
        sources: what each item is called in the output.
        inputs: by tensor key, arrays with a row for each item that is not broken.
        broken: position in the batch -> why there is no row.
    """

    number: int
    first: int
    sources: tuple[str, ...]
    inputs: Arrays
    broken: Mapping[int, str]


def tensor_batches(source: Source, signature: Signature, start: int, batch_size: int) -> Iterator[TensorBatch]:
    """Cut a source into batches of rows.

    Args:
        source: an array file, or values that can become rows: CSV, JSON lines.
        signature: the signature that is called.
        start: index of the first item; a multiple of ``batch_size``.
        batch_size: rows per batch.

    Raises:
        SettingsError: the source has no rows, or they do not fit the signature.
    """
    if isinstance(source, ArraySource):
        return _array_batches(source, signature, start, batch_size)
    return _value_batches(source, signature, start, batch_size)


def _array_batches(source: ArraySource, signature: Signature, start: int, batch_size: int) -> Iterator[TensorBatch]:
    only = next(iter(signature.inputs)) if len(signature.inputs) == 1 else None
    keys = {name: only if name is None or len(source.headers) == 1 else name for name in source.headers}
    if set(keys.values()) != set(signature.inputs):
        wanted = "; ".join(map(str, signature.inputs.values()))
        given = ", ".join("one array without a name" if name is None else name for name in source.headers)
        raise SettingsError(f"--tensors: the model takes {wanted}; the input has {given}")
    shapes = {
        name: _row_shape(header.shape[1:], signature.inputs[keys[name] or ""])
        for name, header in source.headers.items()
    }

    def batches() -> Iterator[TensorBatch]:
        for first, arrays in source.row_blocks(start, batch_size):
            inputs = {keys[name] or "": array.reshape(-1, *shapes[name]) for name, array in arrays.items()}
            rows = len(next(iter(inputs.values())))
            sources = tuple(source.name_of(index) for index in range(first, first + rows))
            yield TensorBatch(first // batch_size, first, sources, inputs, {})

    return batches()


def _row_shape(stored: tuple[int, ...], spec: TensorSpec) -> tuple[int, ...]:
    """The shape of a row as the model takes it: as stored, or reshaped where that is no guess."""
    if spec.shape is None:
        return stored
    wanted = spec.shape[1:]
    if len(stored) == len(wanted) and all(
        size is None or size == own for size, own in zip(wanted, stored, strict=True)
    ):
        return stored
    known = tuple(size for size in wanted if size is not None)
    if spec.shape and len(known) == len(wanted) and math.prod(known) == math.prod(stored):
        return known
    raise SettingsError(f"--tensors: rows of shape {list(stored)} do not fit the model's input {spec}")


def _value_batches(source: Source, signature: Signature, start: int, batch_size: int) -> Iterator[TensorBatch]:
    for batch in in_batches(source.items(start), batch_size, start // batch_size):
        yield _from_values(batch, signature)


def _from_values(batch: Batch, signature: Signature) -> TensorBatch:
    """Stack what the items give for each input; an item that does not fit is broken, and the others go on."""
    broken: dict[int, str] = {}
    columns: dict[str, list[Array]] = {name: [] for name in signature.inputs}
    for position, item in enumerate(batch.items):
        try:
            row = _row_of(item, signature)
        except ModelServiceError as error:
            broken[position] = str(error)
            continue
        differing = [name for name, array in row.items() if columns[name] and columns[name][0].shape != array.shape]
        for name in differing:
            shapes = f"{list(row[name].shape)}, others of its batch {list(columns[name][0].shape)}"
            broken[position] = f"the input {name!r} has the shape {shapes}; use --batch-size 1"
        for name, array in row.items() if not differing else ():
            columns[name].append(array)
    inputs = {name: np.stack(arrays) for name, arrays in columns.items() if arrays}
    sources = tuple(item.source for item in batch.items)
    return TensorBatch(batch.number, batch.items[0].index, sources, inputs, broken)


def _row_of(item: Item, signature: Signature) -> dict[str, Array]:
    content = item.content
    if isinstance(content, CellsContent):
        value: Any = list(content.cells)
    elif isinstance(content, ValueContent):
        value = content.value
    else:
        reason = getattr(content, "reason", None)
        raise InputRefused(reason or "--tensors takes numbers: .npy, .npz, IDX, CSV or JSON lines, no files")
    if len(signature.inputs) == 1 and not isinstance(value, dict):
        value = {next(iter(signature.inputs)): value}
    if not isinstance(value, dict) or value.keys() != signature.inputs.keys():
        raise InputRefused(f"needs the inputs {', '.join(signature.inputs)} as an object of these keys")
    row = {}
    for name, spec in signature.inputs.items():
        try:
            array = np.array(value[name], dtype=object if spec.dtype is STRING else spec.dtype.numpy)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputRefused(f"the input {name!r}: {error}") from error
        if spec.dtype is STRING and not all(isinstance(text, str | bytes) for text in array.ravel()):
            raise InputRefused(f"the input {name!r} takes text, not {json.dumps(value[name])[:80]}")
        row[name] = array.reshape(_row_shape(array.shape, spec))
    return row
