"""One batch through the package: every item through the same pipeline as an online request (design D14)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from model_service.batch.failures import describe
from model_service.batch.items import Batch, BatchResult, Item
from model_service.batch.lines import answer_line, failure_line
from model_service.batch.outcome import CannotGoOn
from model_service.batch.pointers import at_pointer
from model_service.batch.requests import RequestMaker
from model_service.errors import BackendUnavailable, DeadlinePassed
from model_service.inference.assembly import AssembledService
from model_service.inference.coalescer import Coalescer
from model_service.inference.json_types import JsonValue, encode_json
from model_service.storage import StorageUnavailable
from model_service.tfs.patience import call_patiently

_SHOWN_FAILURES = 10
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class RunnerOptions:
    """How batches are run.

    Attributes:
        batch_size: the most items in a batch.
        concurrent_batches: how many batches may be run at once.
        joins_predicts: the items of a batch run side by side and their Predicts are joined; else one after another.
        predict_timeout_seconds: how long the model server may take for a Predict.
        patience_seconds: how long it may be away.
        select: JSON pointer of the part of each answer that is kept; "" is all of it.
    """

    batch_size: int
    concurrent_batches: int
    joins_predicts: bool
    predict_timeout_seconds: float
    patience_seconds: float
    select: str = ""


class BatchRunner:
    """Runs batches on an assembled package. Safe to use from ``concurrent_batches`` threads."""

    def __init__(self, service: AssembledService, requests: RequestMaker, run_folder: Path, options: RunnerOptions):
        self._pipeline = service.pipeline
        self._requests = requests
        self._run_folder = run_folder
        self._options = options
        self._runtime = runtime = service.runtime
        self._coalescer = Coalescer(lambda: runtime.signature, self._send)
        runtime.predict_through(self._coalescer.predict)
        self._is_joined = options.joins_predicts and service.instances > 1
        self._fault = ""

    def run(self, batch: Batch, on_step: Callable[[float], None] = lambda now: None) -> BatchResult:
        """Answer every item of a batch.

        Args:
            batch: the items.
            on_step: called with ``time.monotonic()`` when an item begins or goes on.

        Raises:
            CannotGoOn: the model server is away for too long, or does not answer in time.
        """
        answers = (partial(self._outcome, item) for item in batch.items)
        if self._is_joined:
            outcomes = self._coalescer.run_joined(answers, on_step)
        else:
            outcomes = []
            for answer in answers:
                on_step(time.monotonic())
                outcomes.append(answer())
        if self._fault:
            raise CannotGoOn(self._fault)
        failures = [(item.source, reason) for item, (_, reason) in zip(batch.items, outcomes, strict=True) if reason]
        return BatchResult(
            number=batch.number,
            items=len(batch.items),
            failed=len(failures),
            lines=b"".join(line for line, _ in outcomes),
            first_failures=tuple(failures[:_SHOWN_FAILURES]),
        )

    def _send(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        runtime, options = self._runtime, self._options
        try:
            return call_patiently(
                lambda: runtime.client.predict(inputs, runtime.signature, options.predict_timeout_seconds),
                options.patience_seconds,
            )
        except BackendUnavailable:
            self._stop_for(f"the model server was not reachable for {options.patience_seconds:g} s (--patience)")
            raise
        except DeadlinePassed:
            self._stop_for(
                f"the model server took longer than {options.predict_timeout_seconds:g} s for one Predict; use a "
                "smaller --batch-size or a longer --predict-timeout"
            )
            raise

    def _stop_for(self, reason: str) -> None:
        """Remember why the run must stop: the exception itself may be caught by the package."""
        self._fault = self._fault or reason

    def _outcome(self, item: Item) -> tuple[bytes, str]:
        """The line of an item, and why it has no answer ("" when it has one)."""
        try:
            answer = encode_json(at_pointer(self._answer(item), self._options.select))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this item's result
            reason = describe(error, self._run_folder)
            return failure_line(item.index, item.source, reason), reason
        return answer_line(item.index, item.source, answer), ""

    def _answer(self, item: Item) -> JsonValue:
        """Run one item; again while its storage is away, or the model server that the package calls by itself."""
        deadline = time.monotonic() + self._options.patience_seconds
        while True:
            try:  # the request is made anew each time: what it holds is read by the hooks, and not kept here
                return self._pipeline.run(self._requests.request(item)).value
            except (BackendUnavailable, StorageUnavailable) as error:
                if self._fault or time.monotonic() >= deadline:
                    self._stop_for(f"{error}, for {self._options.patience_seconds:g} s (--patience)")
                    raise
            time.sleep(_PAUSE_SECONDS)
