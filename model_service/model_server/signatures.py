"""Signatures that do more than run: join their calls into batches, say how long each run took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from model_service.model_server.batching import BatchScheduler
from model_service.model_server.engine import MakeCallable, MakeSignature, Signature
from model_service.model_server.tensors import Array


class BatchedSignature(Signature):
    """A signature whose calls are joined into batches."""

    def __init__(self, scheduler: BatchScheduler, name: str, definition: Any, make_callable: MakeCallable):
        super().__init__(name, definition, make_callable)
        self._scheduler = scheduler

    def run(self, arrays: Sequence[Array], outputs: tuple[str, ...]) -> list[Any]:
        """Compute outputs, maybe together with other calls; every input has the batch as its first dimension."""
        return self._scheduler.run((id(self), outputs), arrays, lambda joined: Signature.run(self, joined, outputs))


class TimedSignature(Signature):
    """A signature that reports the seconds of every run, waiting for a batch included."""

    def __init__(
        self,
        inner: MakeSignature,
        observe_seconds: Callable[[float], None],
        name: str,
        definition: Any,
        make_callable: MakeCallable,
    ):
        super().__init__(name, definition, make_callable)
        self._inner = inner(name, definition, make_callable)
        self._observe_seconds = observe_seconds

    def run(self, arrays: Sequence[Array], outputs: tuple[str, ...]) -> list[Any]:
        """Compute outputs."""
        started = time.perf_counter()
        try:
            return self._inner.run(arrays, outputs)
        finally:
            self._observe_seconds(time.perf_counter() - started)
