"""The worker processes of this machine: batches are dealt to them, and one that dies costs no item."""

from __future__ import annotations

import logging
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType

from model_service.batch.in_order import map_in_order
from model_service.batch.items import Batch, BatchResult
from model_service.batch.lines import failure_line
from model_service.batch.outcome import CannotGoOn
from model_service.batch.worker_plan import Refusal, WorkerPlan
from model_service.errors import PackageError

_log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0


class WorkerDied(Exception):
    """A worker process ended while it worked on a batch; the message says how."""


class Worker:
    """One worker process and its lanes, each of which carries one batch at a time; it begins to load the package."""

    def __init__(self, plan: WorkerPlan, lanes: int):
        pairs = [socket.socketpair() for _ in range(lanes)]
        theirs = [pair[1].fileno() for pair in pairs]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "model_service.batch.worker", *map(str, theirs)],
            stdin=subprocess.DEVNULL,
            pass_fds=theirs,
            start_new_session=True,  # Ctrl-C at the terminal is for us
        )
        self.lanes = [Connection(pair[0].detach()) for pair in pairs]
        for _, other in pairs:
            other.close()
        with suppress(OSError):  # one that has ended already is noticed when it is waited for
            self.lanes[0].send(plan)

    def wait_until_loaded(self) -> None:
        """Wait until it has loaded the package.

        Raises:
            PackageError: it cannot.
        """
        try:
            answer: object = self.lanes[0].recv()
        except (EOFError, OSError):
            answer = Refusal(f"a worker process {self._ending()} while it loaded the package")
        if isinstance(answer, Refusal):
            raise PackageError(answer.reason)

    def run(self, lane: int, batch: Batch) -> BatchResult:
        """Have a batch run.

        Raises:
            WorkerDied: the process has ended.
            CannotGoOn: as the runner says.
        """
        answer = self._exchange(lane, batch)
        if isinstance(answer, BatchResult):
            return answer
        raise CannotGoOn(answer.reason if isinstance(answer, Refusal) else f"a worker answered {answer!r}")

    def _exchange(self, lane: int, message: object) -> object:
        try:
            self.lanes[lane].send(message)
            answer: object = self.lanes[lane].recv()
        except (EOFError, OSError) as error:
            raise WorkerDied(self._ending()) from error
        return answer

    def _ending(self) -> str:
        try:
            status = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return "closed its connection"
        return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for connection in self.lanes:
            connection.close()


class LocalEngine:
    """Runs batches on worker processes of this machine.

    Args:
        plan: what each worker is told.
        workers: how many there are.

    Raises:
        PackageError: the package cannot be loaded.
    """

    def __init__(self, plan: WorkerPlan, workers: int):
        self._plan = plan
        self._lanes_per_worker = plan.runner.concurrent_batches
        self._is_closing = False
        self._quarantine = threading.Lock()
        self._free_lanes: queue.Queue[tuple[int, int]] = queue.Queue()
        self._workers: list[Worker] = []
        self._replacing = threading.Lock()
        try:
            for _ in range(workers):
                self._workers.append(Worker(plan, self._lanes_per_worker))
            for worker in self._workers:
                worker.wait_until_loaded()
        except BaseException:
            self._close()
            raise
        for lane in range(self._lanes_per_worker):
            for number in range(workers):
                self._free_lanes.put((number, lane))

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._close()

    def _close(self) -> None:
        self._is_closing = True
        for worker in self._workers:
            worker.close()

    def run(self, batches: Iterable[Batch]) -> Iterator[BatchResult]:
        """Run batches; results come in their order.

        Raises:
            CannotGoOn: the run must stop.
        """
        return map_in_order(self.run_one, batches, len(self._workers) * self._lanes_per_worker)

    def run_one(self, batch: Batch) -> BatchResult:
        """Run one batch; for up to as many threads at once as there are lanes, others wait.

        Raises:
            CannotGoOn: the run must stop.
            PackageError: a worker that died cannot be replaced.
        """
        number, lane = self._free_lanes.get()
        worker = self._workers[number]
        try:
            return worker.run(lane, batch)
        except WorkerDied as death:
            if self._is_closing:
                raise CannotGoOn("stopped") from death
            _log.warning("a worker %s while it worked on batch %d; running that again", death, batch.number)
            self._replace(number, worker)
            with self._quarantine:
                return self._run_apart(batch)
        finally:
            self._free_lanes.put((number, lane))

    def _replace(self, number: int, dead: Worker) -> None:
        with self._replacing:
            if self._workers[number] is dead and not self._is_closing:
                dead.close()
                self._workers[number] = Worker(self._plan, self._lanes_per_worker)
                self._workers[number].wait_until_loaded()

    def _run_apart(self, batch: Batch) -> BatchResult:
        """Run a batch in a worker of its own; if that dies too, item by item, to find out which one it is."""
        try:
            return self._run_once(batch)
        except WorkerDied:
            results = [self._run_suspect(Batch(batch.number, (item,))) for item in batch.items]
        return BatchResult(
            number=batch.number,
            items=len(batch.items),
            failed=sum(result.failed for result in results),
            lines=b"".join(result.lines for result in results),
            first_failures=tuple(failure for result in results for failure in result.first_failures),
        )

    def _run_once(self, batch: Batch) -> BatchResult:
        worker = Worker(self._plan, 1)
        try:
            worker.wait_until_loaded()
            return worker.run(0, batch)
        finally:
            worker.close()

    def _run_suspect(self, batch: Batch) -> BatchResult:
        (item,) = batch.items
        try:
            return self._run_once(batch)
        except WorkerDied as death:
            reason = f"the worker process {death} while it worked on this item"
            line = failure_line(item.index, item.source, reason)
            return BatchResult(batch.number, 1, 1, line, first_failures=((item.source, reason),))
