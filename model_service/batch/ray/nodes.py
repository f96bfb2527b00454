"""Starting a node's process, handing it batches, ending it; see :mod:`model_service.batch.ray.node`."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from model_service.batch.items import Batch, BatchResult, FileContent
from model_service.batch.outcome import CannotGoOn
from model_service.batch.ray.node import NodePlan
from model_service.batch.worker_plan import Refusal
from model_service.storage import is_url

_STOP_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What a node says to a batch.

    Attributes:
        result: its results, or why the run must stop.
        node: where it was worked on; "" on the node on which the run was started.
        absent: local files of items that this node does not have, if some items have no answer.
    """

    result: BatchResult | str
    node: str
    absent: tuple[str, ...] = ()


def absent_files(batch: Batch) -> tuple[str, ...]:
    """Return the local files of a batch that are not there."""
    locations = [item.content.location for item in batch.items if isinstance(item.content, FileContent)]
    return tuple(location for location in locations if not is_url(location) and not os.path.exists(location))


def result_of(answer: Answer) -> BatchResult:
    """Return the results that an answer holds.

    Raises:
        CannotGoOn: it holds none; or the node has not found what is found here, which is no fault of the items.
    """
    if isinstance(answer.result, str):
        raise CannotGoOn(f"node {answer.node}: {answer.result}" if answer.node else answer.result)
    for location in answer.absent:
        if os.path.exists(location):
            raise CannotGoOn(
                f"node {answer.node}: there is no {location}, which is here; --input must be at the same path on every "
                "node, as on a shared file system, or a URL"
            )
    return answer.result


class NodeDied(CannotGoOn):
    """The process that houses the package on a node has ended."""

    def __init__(self) -> None:
        super().__init__(
            "the process that houses the package was killed, perhaps for lack of memory; give the nodes more, or use "
            "fewer --workers, and run the same command again"
        )


class Node:
    """The process that houses a package here. It is no child of ours: it may take longer than we do to clean up.

    Args:
        lanes: how many batches it may be given at once.
        parent_folder: where it makes its folder; None: where the system keeps temporary files.

    Attributes:
        folder: its private folder; what is put there goes when it goes.

    Raises:
        NodeDied: it has ended.
    """

    def __init__(self, lanes: int, parent_folder: Path | None):
        pairs = [socket.socketpair() for _ in range(1 + lanes)]
        theirs = [pair[1].fileno() for pair in pairs]
        where = "" if parent_folder is None else str(parent_folder)
        subprocess.run(
            [sys.executable, "-m", "model_service.batch.ray.node", where, *map(str, theirs)],
            stdin=subprocess.DEVNULL,
            pass_fds=theirs,
            start_new_session=True,
            check=False,
        )
        self._control, *connections = (Connection(pair[0].detach()) for pair in pairs)
        for _, other in pairs:
            other.close()
        self._free_lanes: queue.Queue[Connection] = queue.Queue()
        for connection in connections:
            self._free_lanes.put(connection)
        folder = self._receive()
        if not isinstance(folder, Path):
            raise NodeDied
        self.folder = folder

    def open(self, plan: NodePlan) -> None:
        """Have it load the package and start the model server.

        Raises:
            CannotGoOn: it cannot; the message says why.
        """
        self._control.send(plan)
        answer = self._receive()
        if isinstance(answer, Refusal):
            raise CannotGoOn(answer.reason)

    def run(self, batch: Batch) -> BatchResult:
        """Have a batch run; from up to as many threads at once as there are lanes, others wait.

        Raises:
            CannotGoOn: as the runner says; or the process has ended.
        """
        lane = self._free_lanes.get()
        try:
            lane.send(batch)
            answer = lane.recv()
        except (EOFError, OSError):
            self._clear()
            raise NodeDied from None
        finally:
            self._free_lanes.put(lane)
        if isinstance(answer, BatchResult):
            return answer
        raise CannotGoOn(answer.reason if isinstance(answer, Refusal) else f"a node answered {answer!r}")

    def _receive(self) -> object:
        try:
            message: object = self._control.recv()
        except (EOFError, OSError):
            raise NodeDied from None
        return message

    def close(self) -> None:
        """End the process, and wait for that."""
        try:
            self._control.send(None)
            wait([self._control], _STOP_SECONDS)
        except OSError:
            pass
        self._control.close()
        self._clear()

    def _clear(self) -> None:
        """Remove the folder of a process that was killed before it could."""
        shutil.rmtree(self.folder, ignore_errors=True)
