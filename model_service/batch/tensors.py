"""Without hooks: rows of arrays go to the model's inputs as they are, and its outputs come back."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from model_service.batch.in_order import map_in_order
from model_service.batch.items import Batch, BatchResult, CellsContent, Item, ValueContent
from model_service.batch.lines import answer_line, failure_line
from model_service.batch.outcome import CannotGoOn
from model_service.batch.sources import ArraySource, Source
from model_service.errors import (
    BackendUnavailable,
    DeadlinePassed,
    InputRefused,
    ModelServiceError,
    RequestError,
    SettingsError,
)
from model_service.tfs.client import ModelServerClient
from model_service.tfs.dtypes import BFLOAT16, STRING
from model_service.tfs.patience import call_patiently
from model_service.tfs.signature import Signature, TensorSpec

Array = np.ndarray[Any, Any]
Arrays = Mapping[str, Array]

_SHOWN_FAILURES = 10


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
    from model_service.batch.items import in_batches

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
        for name, array in row.items():
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


class TensorEngine:
    """Sends batches of rows to a model server.

    Args:
        client: of the model server.
        signature: the signature to call.
        in_flight: how many Predicts it gets at once.
        timeout_seconds: how long it may take for each.
        patience_seconds: how long it may be away.
        as_arrays: results keep outputs as arrays; else each item's outputs become a JSON line.
    """

    def __init__(
        self,
        client: ModelServerClient,
        signature: Signature,
        in_flight: int,
        timeout_seconds: float,
        patience_seconds: float,
        as_arrays: bool,
    ):
        self._client = client
        self._signature = signature
        self._in_flight = in_flight
        self._timeout_seconds = timeout_seconds
        self._patience_seconds = patience_seconds
        self._as_arrays = as_arrays

    def run(self, batches: Iterable[TensorBatch]) -> Iterator[BatchResult]:
        """Run batches; results come in their order.

        Raises:
            CannotGoOn: the model server is away for too long, or its outputs have not a row for each item.
        """
        return map_in_order(self._run, batches, self._in_flight)

    def _run(self, batch: TensorBatch) -> BatchResult:
        positions = [position for position in range(len(batch.sources)) if position not in batch.broken]
        failures = dict(batch.broken)
        outputs: Arrays = {}
        if positions:
            try:
                outputs = self._predict(batch.inputs, len(positions))
            except RequestError:
                outputs, positions = self._predict_one_by_one(batch, positions, failures)
        return self._result(batch, outputs, positions, failures)

    def _predict(self, inputs: Arrays, rows: int) -> Arrays:
        try:
            outputs = call_patiently(
                lambda: self._client.predict(inputs, self._signature, self._timeout_seconds), self._patience_seconds
            )
        except (BackendUnavailable, DeadlinePassed, InputRefused) as error:
            raise CannotGoOn(f"a Predict of {rows} rows: {error}") from error
        for name, array in outputs.items():
            if array.ndim == 0 or len(array) != rows:
                raise CannotGoOn(
                    f"the output {name!r} has the shape {list(array.shape)} for {rows} rows of input; --tensors needs "
                    "a row for each"
                )
        return outputs

    def _predict_one_by_one(
        self, batch: TensorBatch, positions: list[int], failures: dict[int, str]
    ) -> tuple[Arrays, list[int]]:
        """Find the rows that the model refuses; the others are answered."""
        rows: list[Arrays] = []
        answered = []
        for place, position in enumerate(positions):
            try:
                rows.append(self._predict({name: array[place : place + 1] for name, array in batch.inputs.items()}, 1))
                answered.append(position)
            except RequestError as error:
                failures[position] = f"the model server refuses it: {_details(error)}"
        outputs = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]} if rows else {}
        return outputs, answered

    def _blank_outputs(self) -> Arrays:
        """Outputs without a row, for a batch of which every item failed: what follows must keep its place."""
        blank = {}
        for name, spec in self._signature.outputs.items():
            if spec.shape is None or None in spec.shape[1:]:
                raise CannotGoOn(f"every item of a batch failed, and the shape of {spec} is open; use --format jsonl")
            kind = np.dtype(np.float32) if spec.dtype is BFLOAT16 else spec.dtype.numpy
            blank[name] = np.empty((0, *(size or 0 for size in spec.shape[1:])), kind)
        return blank

    def _result(
        self, batch: TensorBatch, outputs: Arrays, positions: list[int], failures: dict[int, str]
    ) -> BatchResult:
        arrays = None
        lines: dict[int, bytes] = {
            position: failure_line(batch.first + position, batch.sources[position], reason)
            for position, reason in failures.items()
        }
        if self._as_arrays:
            outputs = outputs or self._blank_outputs()
            arrays = {name: _spread(array, positions, len(batch.sources)) for name, array in outputs.items()}
        else:
            for place, position in enumerate(positions):
                answer = _answer({name: array[place] for name, array in outputs.items()})
                lines[position] = answer_line(batch.first + position, batch.sources[position], answer)
        shown = [(batch.sources[position], reason) for position, reason in sorted(failures.items())[:_SHOWN_FAILURES]]
        return BatchResult(
            number=batch.number,
            items=len(batch.sources),
            failed=len(failures),
            lines=b"".join(lines[position] for position in sorted(lines)),
            arrays=arrays,
            first_failures=tuple(shown),
        )


def _details(error: RequestError) -> str:
    cause = error.__cause__
    details = getattr(cause, "details", None)
    return str(details()) if callable(details) else str(error)


def _spread(array: Array, positions: list[int], rows: int) -> Array:
    """Put rows to their positions; missing ones are NaN, or 0 where the element type has none."""
    if len(positions) == rows:
        return array
    spread = np.full((rows, *array.shape[1:]), np.nan if array.dtype.kind in "fc" else 0, array.dtype)
    spread[positions] = array
    return spread


def _answer(outputs: Mapping[str, Any]) -> bytes:
    plain = {name: _plain(value) for name, value in outputs.items()}
    return orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY)


def _plain(value: Any) -> Any:
    """An array that the encoder takes as it is, or lists."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.dtype.itemsize > 1:
        return np.ascontiguousarray(value)
    return _text(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)


def _text(value: Any) -> Any:
    """Bytes as text, or in Base64 under ``b64`` as REST answers of TensorFlow Serving have them."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value
