"""Joins the Predicts of requests that run side by side into one; knows nothing of where the requests come from.

Requests that may be joined are the members of a :class:`Group`. A member that wants a Predict waits until every other
member wants one too or has ended; the last one runs all of them as one call. So who is joined with whom depends on what
the members do and never on how long they take, and a run that is repeated gives the same floats (design D14).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from model_service.errors import BackendUnavailable, DeadlinePassed, ModelServiceError
from model_service.tfs.client import check_names
from model_service.tfs.dtypes import BFLOAT16
from model_service.tfs.signature import Signature, TensorSpec
from model_service.tfs.tensors import as_array

_log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray[Any, Any]]
Send = Callable[[Mapping[str, Any]], Arrays]

DEFAULT_MAX_REQUEST_BYTES = 64 * 1024 * 1024  # a quarter of what a message may have: the reply may be larger
_STALL_SECONDS = 60.0


class _Call:
    """One member's Predict: what it sends, then what it gets."""

    __slots__ = ("error", "inputs", "key", "outputs", "position", "rows", "size_bytes", "woken")

    def __init__(self, position: int, inputs: Mapping[str, Any]):
        self.position = position
        self.inputs = inputs
        self.rows = 0  # along the first axis; 0: it cannot be joined
        self.key: tuple[tuple[int, ...], ...] = ()  # calls with equal keys can be joined
        self.size_bytes = 0
        self.woken = threading.Lock()
        self.woken.acquire()
        self.outputs: Arrays = {}
        self.error: Exception | None = None


class Coalescer:
    """Where the Predicts of a process go.

    Args:
        read_signature: the signature that is called; asked for at the first Predict.
        send: runs one Predict; called from several threads.
        max_request_bytes: a joined call is divided before it grows beyond this.
    """

    def __init__(
        self,
        read_signature: Callable[[], Signature],
        send: Send,
        max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES,
    ):
        self._read_signature = read_signature
        self._send = send
        self._max_request_bytes = max_request_bytes
        self._member = threading.local()
        self._is_joinable: bool | None = None  # whether the signature has rows; None: not looked at yet

    def group(self, size: int, turns: threading.Semaphore) -> Group:
        """Make a group.

        Args:
            size: how many members it will have; each must be entered, from a thread of its own.
            turns: how many members may compute at once; a member that waits for its Predict gives its turn away.
        """
        return Group(self._member, self._run, size, turns)

    def predict(self, inputs: Mapping[str, Any]) -> Arrays:
        """Run a Predict, joined with those of the calling thread's group if it is a member of one.

        Args:
            inputs: a value for every input of the signature, by tensor key.

        Returns:
            Every output by tensor key; arrays may be read-only views.

        Raises:
            InputRefused: names or element types do not fit the signature.
            RequestError, grpc.RpcError: as ``send`` raises them.
        """
        group: Group | None = getattr(self._member, "group", None)
        if group is None:
            return self._send(inputs)
        call = _Call(self._member.position, inputs)
        self._measure(call)
        group.wait_for(call)
        if call.error is not None:
            raise call.error
        return call.outputs

    def _measure(self, call: _Call) -> None:
        """Convert the inputs here, in the thread and on the account of the member that sends them."""
        signature = self._read_signature()
        check_names(call.inputs, signature)
        if self._is_joinable is None:
            self._is_joinable = _has_rows(signature)
        if not self._is_joinable:
            return
        arrays = {name: as_array(value, signature.inputs[name]) for name, value in call.inputs.items()}
        rows = {len(array) if array.ndim else 0 for array in arrays.values()}
        if len(rows) == 1:
            call.inputs = arrays
            call.rows = rows.pop()
            call.key = tuple(arrays[name].shape[1:] for name in signature.inputs)
            call.size_bytes = sum(array.nbytes for array in arrays.values())

    def _run(self, calls: Sequence[_Call]) -> None:
        """Run calls, joined where that is possible, and leave each its outputs or its error."""
        for part in self._parts(calls):
            if len(part) > 1 and self._is_joinable:
                self._run_joined(part)
            else:
                for call in part:
                    self._run_alone(call)

    def _parts(self, calls: Sequence[_Call]) -> Iterator[list[_Call]]:
        by_key: dict[object, list[_Call]] = {}
        for call in sorted(calls, key=lambda call: call.position):
            by_key.setdefault(call.key if call.rows else call, []).append(call)
        for alike in by_key.values():
            part: list[_Call] = []
            size_bytes = 0
            for call in alike:
                if part and size_bytes + call.size_bytes > self._max_request_bytes:
                    yield part
                    part, size_bytes = [], 0
                part.append(call)
                size_bytes += call.size_bytes
            yield part

    def _run_joined(self, calls: list[_Call]) -> None:
        joined = {name: _concatenate([call.inputs[name] for call in calls]) for name in calls[0].inputs}
        try:
            outputs = self._send(joined)
        except (BackendUnavailable, DeadlinePassed) as error:  # no fault of any member
            for call in calls:
                call.error = error
            return
        except Exception:  # noqa: BLE001 - some member's fault; whose it is shows when each runs alone
            outputs = {}
        rows = sum(call.rows for call in calls)
        if outputs and all(array.ndim and len(array) == rows for array in outputs.values()):
            start = 0
            for call in calls:
                call.outputs = {name: array[start : start + call.rows] for name, array in outputs.items()}
                start += call.rows
            return
        if outputs:
            _log.warning("the model's outputs have not a row for every row of its inputs: Predicts are not joined")
            self._is_joinable = False
        for call in calls:
            self._run_alone(call)

    def _run_alone(self, call: _Call) -> None:
        try:
            call.outputs = self._send(call.inputs)
        except Exception as error:  # noqa: BLE001 - it is raised in the member's thread
            call.error = error


class Group:
    """Members whose Predicts are joined; made by :meth:`Coalescer.group`."""

    def __init__(
        self,
        membership: threading.local,
        run: Callable[[Sequence[_Call]], None],
        size: int,
        turns: threading.Semaphore,
    ):
        self._membership = membership
        self._run = run
        self._turns = turns
        self._lock = threading.Lock()
        self._computing = size
        self._waiting: list[_Call] = []
        self._moved_at = time.monotonic()

    @contextmanager
    def member(self, position: int) -> Iterator[None]:
        """Be the member at ``position`` for the length of a ``with`` block; joined inputs stand in that order."""
        self._membership.group, self._membership.position = self, position
        self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()
            self._membership.group = None
            self._run_round(self._step(None))

    def wait_for(self, call: _Call) -> None:
        """Have a call run; returns when it has its outputs or its error."""
        self._turns.release()
        try:
            round_ = self._step(call)
            if round_:
                self._run_round(round_)
            else:
                self._sleep(call)
        finally:
            self._turns.acquire()

    def _step(self, call: _Call | None) -> list[_Call]:
        """Note that a member waits (or, without a call, has ended); return the round that is complete by that."""
        with self._lock:
            self._computing -= 1
            self._moved_at = time.monotonic()
            if call is not None:
                self._waiting.append(call)
            return self._begin_round() if self._computing == 0 else []

    def _begin_round(self) -> list[_Call]:
        calls, self._waiting = self._waiting, []
        self._computing += len(calls)
        return calls

    def _run_round(self, calls: list[_Call]) -> None:
        try:
            self._run(calls)
        except BaseException as error:
            for call in calls:
                call.error = call.error or ModelServiceError(f"a joined Predict failed: {type(error).__name__}")
            raise
        finally:
            for call in calls:
                call.woken.release()

    def _sleep(self, call: _Call) -> None:
        """Wait to be woken. When nothing moves, a member may wait for a lock that a sleeper holds: then go on."""
        while not call.woken.acquire(timeout=_STALL_SECONDS):
            with self._lock:
                is_stalled = call in self._waiting and time.monotonic() - self._moved_at >= _STALL_SECONDS
                round_ = self._begin_round() if is_stalled else []
            if round_:
                _log.warning(
                    "%d items wait for a Predict while others have not come to theirs for %.0f s; going on without "
                    "them. Results may differ in their last digits from those of another run",
                    len(round_),
                    _STALL_SECONDS,
                )
                self._run_round(round_)


def _has_rows(signature: Signature) -> bool:
    """Whether every input and output can have any number of rows, as far as the signature tells."""
    return all(_is_open(spec) and spec.dtype is not BFLOAT16 for spec in signature.inputs.values()) and all(
        spec.shape is None or _is_open(spec) for spec in signature.outputs.values()
    )


def _is_open(spec: TensorSpec) -> bool:
    return spec.shape is not None and len(spec.shape) > 0 and spec.shape[0] is None


def _concatenate(arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    if arrays[0].dtype.kind in "OSU":  # text of different lengths: NumPy would cut or pad it
        arrays = [array.astype(object) for array in arrays]
    return np.concatenate(arrays)
