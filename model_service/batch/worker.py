"""A worker process: it houses the package and runs batches that come through inherited sockets.

A process of its own, because an author's code may change the working directory, print, end or crash its process.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from model_service.backend.process import die_with_parent
from model_service.batch.items import Batch, BatchResult
from model_service.batch.outcome import CannotGoOn
from model_service.batch.requests import RequestMaker
from model_service.batch.runner import BatchRunner
from model_service.batch.worker_plan import Refusal, WorkerPlan
from model_service.errors import ModelServiceError
from model_service.inference.assembly import assemble
from model_service.telemetry import configure_logging

_WATCH_SECONDS = 1.0
_LONGEST_STEP_SECONDS = 600.0


def make_runner(plan: WorkerPlan) -> BatchRunner:
    """House the package in this process, for good.

    Raises:
        PackageError: it cannot be loaded.
    """
    run_folder = plan.run_root / f"worker-{os.getpid()}"
    service = assemble(plan.service, run_folder)
    requests = RequestMaker(
        plan.service.config, plan.field, plan.mapping_rule, plan.max_item_bytes, plan.service.max_image_pixels
    )
    return BatchRunner(service, requests, run_folder, plan.runner)


def main(argv: Sequence[str]) -> int:
    """Serve the sockets whose descriptors are named until they are closed at the other end."""
    die_with_parent()
    os.dup2(2, 1)  # what the author's code prints must not mix with what the command prints
    connections = [Connection(int(descriptor)) for descriptor in argv]
    first = connections[0]
    plan: WorkerPlan = first.recv()
    configure_logging(plan.log_level)
    try:
        runner = make_runner(plan)
    except ModelServiceError as error:
        first.send(Refusal(str(error)))
        return 1
    first.send(None)
    lanes = [_Lane(connection, runner) for connection in connections]
    threads = [threading.Thread(target=lane.serve, daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    stuck_seconds = plan.runner.predict_timeout_seconds + plan.runner.patience_seconds + _LONGEST_STEP_SECONDS
    while any(thread.is_alive() for thread in threads):
        threads[0].join(_WATCH_SECONDS)
        for lane in lanes:
            lane.refuse_if_stuck(stuck_seconds)
    return 0


class _Lane:
    """One socket: batches come in, results go out, one at a time."""

    def __init__(self, connection: Connection, runner: BatchRunner):
        self._connection = connection
        self._runner = runner
        self._sending = threading.Lock()
        self._stepped_at: float | None = None  # None: it waits for a batch

    def serve(self) -> None:
        """Run batches until the other end is closed."""
        while True:
            try:
                batch: Batch = self._connection.recv()
            except (EOFError, OSError):
                return
            self._step(time.monotonic())
            try:
                self._send(self._runner.run(batch, self._step))
            except CannotGoOn as error:
                self._send(Refusal(str(error)))

    def refuse_if_stuck(self, limit_seconds: float) -> None:
        """Give up in place of a thread that does not go on."""
        stepped_at = self._stepped_at
        if stepped_at is not None and time.monotonic() - stepped_at > limit_seconds:
            self._send(
                Refusal(
                    f"nothing has moved for {limit_seconds:.0f} s: an item takes that long, or waits for a lock that "
                    "another item holds over its _inference; try --batch-size 1"
                )
            )

    def _step(self, now: float) -> None:
        self._stepped_at = now

    def _send(self, answer: BatchResult | Refusal) -> None:
        with self._sending:
            if self._stepped_at is not None:  # it was not answered for this thread already
                self._stepped_at = None
                self._connection.send(answer)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of the author's code must not keep it alive
