"""Joins the Predicts of requests that run side by side into one; knows nothing of where the requests come from.

:meth:`Coalescer.run_joined` runs several requests in one thread, each as a coroutine of its own (a greenlet): a request
that comes to its Predict steps aside, the next one runs, and when all have come to theirs, or have ended, they are run
as one call. So who is joined with whom depends on what the requests do and never on how long they take: a run that is
repeated gives the same floats (design D14). And no thread waits, and none is woken, for a request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from greenlet import getcurrent, greenlet

from model_service.errors import BackendUnavailable, DeadlinePassed
from model_service.tfs.client import check_names
from model_service.tfs.dtypes import BFLOAT16
from model_service.tfs.signature import Signature, TensorSpec
from model_service.tfs.tensors import as_array

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Arrays = dict[str, np.ndarray[Any, Any]]
Send = Callable[[Mapping[str, Any]], Arrays]

DEFAULT_MAX_REQUEST_BYTES = 64 * 1024 * 1024  # a quarter of what a message may have: the reply may be larger


class _Member(greenlet):
    """A request that is run together with others."""


class _Call:
    """One request's Predict: what it sends, then what it gets."""

    __slots__ = ("error", "inputs", "key", "outputs", "rows", "size_bytes")

    def __init__(self, inputs: Mapping[str, Any]):
        self.inputs = inputs
        self.rows = 0  # along the first axis; 0: it cannot be joined
        self.key: tuple[tuple[int, ...], ...] = ()  # calls with equal keys can be joined
        self.size_bytes = 0
        self.outputs: Arrays = {}
        self.error: Exception | None = None


class Coalescer:
    """Where the Predicts of a process go. Safe to use from several threads; each joins what it runs itself.

    Args:
        read_signature: the signature that is called; asked for at the first Predict.
        send: runs one Predict.
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
        self._is_joinable: bool | None = None  # whether the signature has rows; None: not looked at yet

    def predict(self, inputs: Mapping[str, Any]) -> Arrays:
        """Run a Predict, joined with those of the requests that the calling one runs with.

        Args:
            inputs: a value for every input of the signature, by tensor key.

        Returns:
            Every output by tensor key; arrays may be read-only views.

        Raises:
            InputRefused: names or element types do not fit the signature.
            Exception: as ``send`` raises them.
        """
        member = getcurrent()
        if not isinstance(member, _Member) or member.parent is None:
            return self._send(inputs)
        call = self._measured(inputs)
        member.parent.switch(call)  # comes back when the call has been run
        if call.error is not None:
            raise call.error
        return call.outputs

    def run_joined(
        self, requests: Iterable[Callable[[], Result]], on_step: Callable[[float], None] = lambda now: None
    ) -> list[Result]:
        """Run requests side by side in the calling thread and join their Predicts, in the order of the requests.

        Args:
            requests: what to call; each is taken when the one before it has come to its Predict or has ended.
            on_step: called with ``time.monotonic()`` each time one runs: a lock that one of them holds over its
                Predict would stop the others in this thread for good, and this shows it.

        Returns:
            What each of them returned.

        Raises:
            Exception: the first that one of them raises; the others are abandoned.
        """
        results: dict[int, Result] = {}
        members: Iterable[tuple[int, _Member]] = (
            (position, _Member(request)) for position, request in enumerate(requests)
        )
        while True:
            waiting: list[tuple[int, _Member]] = []
            calls: list[_Call] = []
            for position, member in members:
                on_step(time.monotonic())
                outcome: Any = member.switch()
                if member.dead:
                    results[position] = outcome
                else:
                    waiting.append((position, member))
                    calls.append(outcome)
            if not calls:
                return [results[position] for position in range(len(results))]
            self._run(calls)
            members = waiting

    def _measured(self, inputs: Mapping[str, Any]) -> _Call:
        """Convert the inputs here, on the account of the request that sends them."""
        call = _Call(inputs)
        signature = self._read_signature()
        check_names(inputs, signature)
        if self._is_joinable is None:
            self._is_joinable = _has_rows(signature)
        if not self._is_joinable:
            return call
        arrays = {name: as_array(value, signature.inputs[name]) for name, value in inputs.items()}
        rows = {len(array) if array.ndim else 0 for array in arrays.values()}
        if len(rows) == 1:
            call.inputs = arrays
            call.rows = rows.pop()
            call.key = tuple(arrays[name].shape[1:] for name in signature.inputs)
            call.size_bytes = sum(array.nbytes for array in arrays.values())
        return call

    def _run(self, calls: Sequence[_Call]) -> None:
        """Run calls, joined where that is possible, and leave each its outputs or its error."""
        for part in self._parts(calls):
            if len(part) > 1 and self._is_joinable:
                self._run_together(part)
            else:
                for call in part:
                    self._run_alone(call)

    def _parts(self, calls: Sequence[_Call]) -> Iterator[list[_Call]]:
        by_key: dict[object, list[_Call]] = {}
        for call in calls:
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

    def _run_together(self, calls: list[_Call]) -> None:
        joined = {name: _concatenate([call.inputs[name] for call in calls]) for name in calls[0].inputs}
        try:
            outputs = self._send(joined)
        except (BackendUnavailable, DeadlinePassed) as error:  # no fault of any request
            for call in calls:
                call.error = error
            return
        except Exception:  # noqa: BLE001 - some request's fault; whose it is shows when each runs alone
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
        except Exception as error:  # noqa: BLE001 - it is raised where the request waits
            call.error = error


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
