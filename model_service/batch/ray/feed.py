"""Batches for another process, made as it asks for them.

So the source of a run on a cluster is read where the run was started, by the run itself, and never further than needed.
"""

from __future__ import annotations

import pickle
import socket
import threading
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Client, Connection
from pathlib import Path
from types import TracebackType

from model_service.batch.items import Batch
from model_service.batch.outcome import CannotGoOn

_SOCKET_NAME = "feed.sock"
_POLL_SECONDS = 0.2
_STOP_SECONDS = 5.0


class Feed:
    """The driver's end: hands out batches to the one reader that comes.

    Args:
        batches: what is handed out.
        folder: private folder for the socket.

    Attributes:
        path: the socket that a :func:`read_feed` reads from.
        count: how many batches were handed out so far.
        error: what ``batches`` raised, or that the reader was lost.
    """

    def __init__(self, batches: Iterable[Batch], folder: Path):
        self.path = folder / _SOCKET_NAME
        self.count = 0
        self.error: Exception | None = None
        self._batches = batches
        self._is_closing = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._listener.settimeout(_POLL_SECONDS)
        self._thread = threading.Thread(target=self._run, name="batch-feed", daemon=True)
        self._thread.start()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._is_closing.set()
        self._thread.join(_STOP_SECONDS)  # in vain if a read of the source hangs; the thread ends with the process
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _run(self) -> None:
        readers = 0
        while not self._is_closing.is_set():
            try:
                reader, _ = self._listener.accept()
            except TimeoutError:
                continue
            readers += 1
            with Connection(reader.detach()) as connection:
                if readers == 1:
                    self._hand_out(connection)
                else:  # what it should have got already is gone: batches are made once
                    self._lose_reader()

    def _hand_out(self, connection: Connection) -> None:
        try:
            for batch in self._batches:
                if not self._hand_over(connection, batch):
                    return
        except Exception as error:  # noqa: BLE001 - raised again by the driver, whatever it is
            self.error = error

    def _hand_over(self, connection: Connection, batch: Batch) -> bool:
        """Give a batch to the reader when it asks for one; False: nobody wants it."""
        try:
            while not connection.poll(_POLL_SECONDS):
                if self._is_closing.is_set():
                    return False
            connection.recv_bytes()
            connection.send_bytes(pickle.dumps(batch))
        except (EOFError, OSError):
            self._lose_reader()
            return False
        self.count += 1
        return True

    def _lose_reader(self) -> None:
        problem = "the process that takes the batches has ended; run the same command again"
        self.error = self.error or CannotGoOn(problem)


def read_feed(path: Path) -> Iterator[bytes]:
    """Ask the :class:`Feed` whose socket is ``path`` for batches, pickled, until it has no more."""
    with Client(str(path), "AF_UNIX") as connection:
        while True:
            try:
                connection.send_bytes(b"next")
                content = connection.recv_bytes()
            except (EOFError, OSError):
                return
            yield content
