"""Many predictions at once, in order, through outages."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Protocol

from model_service.client.form import encode
from model_service.client.reply import AnswerTimedOut, PredictionFailed, Reply, ServiceUnreachable
from model_service.errors import ModelServiceError

DEFAULT_PATIENCE_SECONDS = 120.0

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_WAITING_PER_THREAD = 2  # a slow item must not leave the other threads without work


class Connection(Protocol):
    """What a thread of the crew sends its requests through."""

    def post(self, body: bytes, content_type: str) -> Reply:
        """Send a request; ServiceUnreachable if there is no answer."""

    def abort(self) -> None:
        """Make a request that another thread is waiting for fail."""

    def close(self) -> None:
        """Close the connection."""


class Crew:
    """Threads that ask one service, each over a connection of its own.

    Args:
        connect: makes a connection; called once by each thread.
        concurrency: number of threads, at least 1.
        patience_seconds: for how long an item is sent again while the service is away.
    """

    def __init__(self, connect: Callable[[], Connection], concurrency: int, patience_seconds: float):
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; it must be at least 1")
        self._connect = connect
        self._concurrency = concurrency
        self._patience_seconds = patience_seconds
        self._connections: list[Connection] = []
        self._own = threading.local()
        self._is_stopped = threading.Event()
        self._away_since: float | None = None  # the first failure after the last answer to anybody

    def run(self, items: Iterable[Any], on_progress: Callable[[int, int], None]) -> Iterator[Any]:
        """Yield an answer or an error for each item, in order."""
        done = failed = 0
        pool = ThreadPoolExecutor(self._concurrency, "predict")
        waiting: deque[Future[Any]] = deque()
        limit = self._concurrency * _WAITING_PER_THREAD
        try:
            for result in self._results(pool, items, waiting, limit):
                done += 1
                failed += isinstance(result, ModelServiceError)
                on_progress(done, failed)
                yield result
        finally:
            self._is_stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for connection in self._connections:
                connection.abort()
            pool.shutdown(wait=True)
            for connection in self._connections:
                connection.close()

    def _results(
        self, pool: ThreadPoolExecutor, items: Iterable[Any], waiting: deque[Future[Any]], limit: int
    ) -> Iterator[Any]:
        for item in items:
            while waiting and (len(waiting) >= limit or waiting[0].done()):
                yield waiting.popleft().result()
            waiting.append(pool.submit(self._ask, item))
        while waiting:
            yield waiting.popleft().result()

    def _ask(self, item: Any) -> Any:
        """Return the answer, or the error."""
        try:
            body, content_type = encode(item)  # once: a file object can be read once
        except ModelServiceError as error:
            return error
        began = time.monotonic()
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = self._connection().post(body, content_type).answer()
            except PredictionFailed as error:
                if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    self._away_since = None
                    return error
                failure: ModelServiceError = error
                wait_seconds = float(error.retry_after_seconds or pause_seconds)
            except AnswerTimedOut as error:
                return error
            except ServiceUnreachable as error:
                failure, wait_seconds = error, pause_seconds
            else:
                self._away_since = None
                return answer
            left_seconds = self._deadline(began) - time.monotonic()
            if left_seconds <= 0 or self._is_stopped.wait(min(wait_seconds, left_seconds)):
                return failure
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
            self._connections.append(connection)
        return connection

    def _deadline(self, began: float) -> float:
        """When to give an item up: neither it nor all of them together wait longer for a service that is away."""
        away_since = self._away_since
        if away_since is None:
            away_since = self._away_since = time.monotonic()
        return min(began, away_since) + self._patience_seconds
