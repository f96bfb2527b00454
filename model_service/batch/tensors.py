"""Without hooks: batches of rows to a model server, and its outputs back."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from model_service.batch.in_order import map_in_order
from model_service.batch.items import BatchResult
from model_service.batch.lines import answer_line, failure_line
from model_service.batch.outcome import CannotGoOn
from model_service.batch.tensor_batches import Array, Arrays, TensorBatch
from model_service.errors import BackendUnavailable, DeadlinePassed, InputRefused, RequestError
from model_service.tfs.client import ModelServerClient
from model_service.tfs.dtypes import BFLOAT16
from model_service.tfs.patience import call_patiently
from model_service.tfs.signature import Signature

_SHOWN_FAILURES = 10


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
