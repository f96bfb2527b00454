"""A worker process: it houses the package and runs batches that come through inherited sockets.

A process of its own, because an author's code may change the working directory, print, end or crash its process.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from model_service.backend.process import die_with_parent
from model_service.batch.items import Batch
from model_service.batch.outcome import CannotGoOn
from model_service.batch.requests import RequestMaker
from model_service.batch.runner import BatchRunner, RunnerOptions
from model_service.errors import ModelServiceError
from model_service.inference.assembly import assemble
from model_service.inference.service_plan import ServicePlan
from model_service.telemetry import configure_logging


@dataclass(frozen=True)
class WorkerPlan:
    """Everything a worker needs to know.

    Attributes:
        service: the package, and how it is run.
        run_root: private folder of the run; each worker has its own below it.
        field: form field of files and pictures; None: the contract's.
        mapping_rule: for CSV rows; None: the contract's schema.
        max_item_bytes: the largest file that is read.
        runner: how batches are run.
    """

    service: ServicePlan
    run_root: Path
    field: str | None
    mapping_rule: Mapping[str, Any] | None
    max_item_bytes: int
    runner: RunnerOptions
    log_level: str


@dataclass(frozen=True)
class Refusal:
    """Why a worker cannot start or go on."""

    reason: str


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
    die_with_parent()()
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
    threads = [threading.Thread(target=_serve, args=(connection, runner), daemon=True) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 0


def _serve(connection: Connection, runner: BatchRunner) -> None:
    while True:
        try:
            batch: Batch = connection.recv()
        except (EOFError, OSError):
            return
        try:
            connection.send(runner.run(batch))
        except CannotGoOn as error:
            connection.send(Refusal(str(error)))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of the author's code must not keep it alive
