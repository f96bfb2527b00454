"""A process that houses a package on a node of a cluster: its model server, its worker processes, its folder.

It ends when its starter does, however that comes: its control connection is closed then. What it has started ends with
it, and its folder is removed.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from model_service.backend.local import supervised
from model_service.batch.items import Batch, BatchResult
from model_service.batch.worker_plan import Refusal, WorkerPlan
from model_service.batch.workers import LocalEngine
from model_service.errors import ModelServiceError
from model_service.inference.preparation import ServiceOptions, prepare
from model_service.telemetry import configure_logging

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodePlan:
    """Everything a node needs to know.

    Attributes:
        service: the package, by a path that is good on this node, and how it is run.
        worker: what its workers are told; ``service`` and ``run_root`` of it are made anew on each node.
        workers: how many worker processes the node has; 0: one per CPU, to be filled in there.
    """

    service: ServiceOptions
    worker: WorkerPlan
    workers: int


class _Ending(BaseException):
    """The process is to end; no error."""


def main(argv: Sequence[str]) -> int:
    """Serve the sockets whose descriptors follow the folder to work in ("": the system's) until the first is closed."""
    if os.fork():  # Ray kills the children of its processes, and this one has to clean up first
        return 0
    os.dup2(2, 1)  # what the author's code prints must not mix with what others print
    control, *lanes = (Connection(int(descriptor)) for descriptor in argv[1:])
    _end_on_sigterm()
    run_root = Path(tempfile.mkdtemp(prefix="node-", dir=argv[0] or None))
    try:
        try:
            control.send(run_root)
            _house(control, lanes, run_root)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # cleaning up is not disturbed
    except (_Ending, EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        shutil.rmtree(run_root, ignore_errors=True)
    return 0


def _end_on_sigterm() -> None:
    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        raise _Ending

    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})  # Ray's processes have them blocked


def _house(control: Connection, lanes: Sequence[Connection], run_root: Path) -> None:
    plan: NodePlan = control.recv()
    configure_logging(plan.worker.log_level)
    threading.Thread(target=_watch, args=(control,), daemon=True).start()
    try:
        with _engine(plan, run_root) as engine:
            control.send(None)
            for lane in lanes:
                threading.Thread(target=_serve, args=(lane, engine), daemon=True).start()
            while True:
                signal.pause()
    except (ModelServiceError, OSError) as error:
        control.send(Refusal(str(error)))


def _watch(control: Connection) -> None:
    """Wait until the other end is closed, also while the package is still being loaded."""
    with suppress(EOFError, OSError):
        control.recv()
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _engine(plan: NodePlan, run_root: Path) -> Iterator[LocalEngine]:
    preparation = prepare(plan.service, run_root)
    worker_plan = replace(plan.worker, service=preparation.plan, run_root=run_root)
    patience_seconds = plan.worker.runner.patience_seconds
    with (
        supervised(preparation.backend, preparation.backend_folder, preparation.is_lazy) as server,
        LocalEngine(worker_plan, plan.workers) as engine,
    ):
        server.wait_until_ready(patience_seconds)
        yield engine


def _serve(lane: Connection, engine: LocalEngine) -> None:
    with suppress(EOFError, OSError):  # the other end is closed
        while True:
            lane.send(_answer(lane.recv(), engine))


def _answer(batch: Batch, engine: LocalEngine) -> BatchResult | Refusal:
    try:
        return engine.run_one(batch)
    except ModelServiceError as error:
        return Refusal(str(error))
    except Exception as error:  # noqa: BLE001 - whoever waits for the answer must not wait for ever
        _log.exception("batch %d", batch.number)
        return Refusal(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    from model_service.batch.ray import node  # what is sent must not be of a class of __main__

    status = node.main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the threads of lanes wait for batches that will not come
