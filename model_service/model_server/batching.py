"""Joins calls that wait at the same time into one: arrays in, arrays out, no TensorFlow and no transport.

A call that finds a free slot leads: it takes what waits beside it, runs all in its own thread, and hands the results
out. While every slot is busy, calls pile up; a slot that comes free wakes the first of them, which leads the next
batch. So a call costs one hand-over at most, and none when nobody else is there.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

Run = Callable[[Sequence[Array]], list[Any]]


@dataclass(frozen=True)
class BatchingOptions:
    """How calls are joined.

    Attributes:
        max_batch_rows: the most rows in one run.
        timeout_seconds: how long a batch that is not full waits for more, from its first call on.
        max_queued_batches: what may wait, in full batches.
        threads: batches run at once.
        allowed_rows: sizes that batches are padded up to, ascending; empty: any size.
        pads_inputs: whether inputs of different shapes are padded to the largest of a batch.
        splits_large: whether a call with more rows than a batch is run in parts, not refused.
    """

    max_batch_rows: int = 1000
    timeout_seconds: float = 0.0
    max_queued_batches: int = 10
    threads: int = 1
    allowed_rows: tuple[int, ...] = ()
    pads_inputs: bool = False
    splits_large: bool = False


class _Call:
    """A call that waits for its batch."""

    __slots__ = ("arrays", "arrived", "error", "leads", "results", "rows", "woken")

    def __init__(self, arrays: Sequence[Array], rows: int):
        self.arrays = arrays
        self.rows = rows
        self.arrived = time.monotonic()
        self.woken = threading.Lock()
        self.woken.acquire()
        self.leads = False
        self.results: list[Any] = []
        self.error: ServingError | None = None


class _Queue:
    """Calls that can be joined, in the order of their arrival."""

    __slots__ = ("calls", "is_collecting", "key", "news", "rows")

    def __init__(self, key: Hashable, lock: threading.Lock):
        self.key = key
        self.calls: deque[_Call] = deque()
        self.rows = 0
        self.is_collecting = False  # a leader waits for more calls
        self.news = threading.Condition(lock)


class BatchScheduler:
    """Shares slots among the queues of all signatures it serves. Safe to use from any thread."""

    def __init__(self, options: BatchingOptions):
        self._options = options
        self._free_slots = options.threads
        self._lock = threading.Lock()
        self._queues: dict[Hashable, _Queue] = {}
        self._waiting: deque[_Queue] = deque()  # queues that have calls and no leader, in turn

    def run(self, key: Hashable, arrays: Sequence[Array], run: Run) -> list[Any]:
        """Run a call, maybe together with others of the same key.

        Args:
            key: what the call computes; ``run`` of two calls with equal keys must do the same.
            arrays: the inputs, each of shape [rows, ...] with the same number of rows.
            run: computes the outputs for inputs of any number of rows.

        Returns:
            One array of shape [rows, ...] per output.

        Raises:
            ServingError: the inputs have no common number of rows (INVALID_ARGUMENT), too many wait (UNAVAILABLE), or
                ``run`` refuses this call.
        """
        rows = _count_rows(arrays)
        most = self._options.max_batch_rows
        if rows > most:
            if not self._options.splits_large:
                raise ServingError(
                    Code.INVALID_ARGUMENT, f"Task size {rows} is larger than maximum input batch size {most}"
                )
            return self._run_in_parts(key, arrays, run, rows)
        call = _Call(arrays, rows)
        queue = self._enqueue((key, _shape_key(arrays, self._options.pads_inputs)), call)
        if not call.leads:
            call.woken.acquire()
        if call.leads:
            self._lead(queue, run)
        if call.error is not None:
            raise call.error
        return call.results

    def _run_in_parts(self, key: Hashable, arrays: Sequence[Array], run: Run, rows: int) -> list[Any]:
        most = self._options.max_batch_rows
        parts = [
            self.run(key, [array[start : start + most] for array in arrays], run) for start in range(0, rows, most)
        ]
        return [np.concatenate(columns) for columns in zip(*parts, strict=True)]

    def _enqueue(self, key: Hashable, call: _Call) -> _Queue:
        options = self._options
        with self._lock:
            queue = self._queues.get(key) or self._queues.setdefault(key, _Queue(key, self._lock))
            if queue.rows + call.rows > options.max_queued_batches * options.max_batch_rows:
                raise ServingError(
                    Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full"
                )
            queue.calls.append(call)
            queue.rows += call.rows
            if queue.is_collecting:
                if queue.rows >= options.max_batch_rows:
                    queue.news.notify()
            elif self._free_slots:
                self._free_slots -= 1
                self._appoint(queue)
            elif len(queue.calls) == 1:
                self._waiting.append(queue)
            return queue

    def _appoint(self, queue: _Queue) -> None:
        """Make the first call of a queue lead. The lock is held, and a slot is taken."""
        queue.is_collecting = True
        queue.calls[0].leads = True
        queue.calls[0].woken.release()

    def _lead(self, queue: _Queue, run: Run) -> None:
        calls = self._collect(queue)
        try:
            _run_calls(calls, run, self._options)
        finally:
            self._free_slot()
            for call in calls[1:]:
                call.woken.release()

    def _collect(self, queue: _Queue) -> list[_Call]:
        """Wait until the batch is full or its time is over; take it off the queue."""
        most = self._options.max_batch_rows
        with self._lock:
            deadline = queue.calls[0].arrived + self._options.timeout_seconds
            while queue.rows < most and (left := deadline - time.monotonic()) > 0:
                queue.news.wait(left)
            calls, rows = [queue.calls.popleft()], 0
            rows = calls[0].rows
            while queue.calls and rows + queue.calls[0].rows <= most:
                calls.append(queue.calls.popleft())
                rows += calls[-1].rows
            queue.rows -= rows
            queue.is_collecting = False
            if not queue.calls:
                del self._queues[queue.key]
            elif self._free_slots:
                self._free_slots -= 1
                self._appoint(queue)
            else:
                self._waiting.append(queue)
            return calls

    def _free_slot(self) -> None:
        with self._lock:
            if self._waiting:
                self._appoint(self._waiting.popleft())
            else:
                self._free_slots += 1


def _count_rows(arrays: Sequence[Array]) -> int:
    if not arrays:
        raise ServingError(Code.INVALID_ARGUMENT, "Batching session Run() must have at least one input tensor")
    if any(array.ndim == 0 for array in arrays):
        raise ServingError(Code.INVALID_ARGUMENT, "Batching Run() input tensors must have at least one dimension")
    rows = len(arrays[0])
    if any(len(array) != rows for array in arrays):
        raise ServingError(Code.INVALID_ARGUMENT, "Batching Run() input tensors must have equal 0th-dimension size")
    return rows


def _shape_key(arrays: Sequence[Array], pads_inputs: bool) -> Hashable:
    """Calls with equal keys can be joined."""
    return tuple(array.ndim for array in arrays) if pads_inputs else tuple(array.shape[1:] for array in arrays)


def _run_calls(calls: Sequence[_Call], run: Run, options: BatchingOptions) -> None:
    """Run a batch, and leave each call its results or its error. If the batch fails, every call is run alone."""
    try:
        _run_joined(calls, run, options)
    except ServingError as error:
        if len(calls) == 1:
            calls[0].error = error
            return
        for call in calls:
            _run_calls([call], run, options)
    except BaseException as error:
        for call in calls:
            call.error = ServingError(Code.INTERNAL, f"the batch failed: {type(error).__name__}")
        raise


def _run_joined(calls: Sequence[_Call], run: Run, options: BatchingOptions) -> None:
    rows = sum(call.rows for call in calls)
    padding = next((size for size in options.allowed_rows if size >= rows), rows) - rows if rows else 0
    columns = zip(*(call.arrays for call in calls), strict=True)
    joined = [_join(arrays, padding, options.pads_inputs) for arrays in columns]
    results = run(joined)
    for result in results:
        _check_result(result, rows + padding)
    start = 0
    for call in calls:
        call.results = [result[start : start + call.rows] for result in results]
        start += call.rows


def _join(arrays: Sequence[Array], padding_rows: int, pads_inputs: bool) -> Array:
    """Concatenate one input of all calls; the first row fills up to an allowed size."""
    if pads_inputs and len({array.shape[1:] for array in arrays}) > 1:
        largest = [max(sizes) for sizes in zip(*(array.shape[1:] for array in arrays), strict=True)]
        arrays = [_padded(array, largest) for array in arrays]
    if padding_rows:
        filled = next(array for array in arrays if len(array))
        arrays = [*arrays, np.repeat(filled[:1], padding_rows, axis=0)]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _padded(array: Array, sizes: Sequence[int]) -> Array:
    missing = [(0, 0), *((0, size - own) for size, own in zip(sizes, array.shape[1:], strict=True))]
    return np.pad(array, missing, constant_values=b"" if array.dtype.kind == "O" else 0)


def _check_result(result: Any, rows: int) -> None:
    if not isinstance(result, np.ndarray) or result.ndim == 0:
        raise ServingError(Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions")
    if len(result) != rows:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        )
