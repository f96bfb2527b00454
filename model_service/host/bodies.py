"""Reading request bodies from an ASGI server, within limits of size and time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from model_service.errors import BadRequest, Overloaded

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]

Result = TypeVar("Result")

# Uploads that are still coming in take no place in a queue. Together they may hold as much as this many bodies.
_UNFINISHED_BODIES = 16


class BodyReader:
    """Reads bodies; one for all requests of a server. Used from one event loop.

    Args:
        limit_bytes: the largest body.
        limit_seconds: how long a body may take to arrive.
    """

    def __init__(self, limit_bytes: int, limit_seconds: float):
        self._limit_bytes = limit_bytes
        self._limit_seconds = limit_seconds
        self._unfinished_bytes = 0

    async def read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        """Read one body.

        Args:
            headers: of the request, names in lower case.
            receive: of the request.

        Raises:
            BadRequest: it is too large (413), too slow (408), or not what its length says (400).
            Overloaded: bodies that are still coming in hold too many bytes.
        """
        declared_bytes = self._declared_bytes(headers)
        if declared_bytes == 0:
            return b""
        try:
            body = await within(self._limit_seconds, self._collect(receive))
        except TimeoutError as error:
            raise BadRequest(f"the body did not arrive within {self._limit_seconds:g} seconds", status=408) from error
        if declared_bytes is not None and len(body) != declared_bytes:
            raise BadRequest(f"the body ended after {len(body)} of {declared_bytes} announced bytes")
        return body

    def _declared_bytes(self, headers: Mapping[str, str]) -> int | None:
        length = headers.get("content-length")
        if length is None:
            return None
        if not (length.isascii() and length.isdigit()):
            raise BadRequest("Content-Length must be a number of bytes")
        if int(length) > self._limit_bytes:
            raise self._too_large()
        return int(length)

    async def _collect(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        total, more = 0, True
        try:
            while more:
                chunk, more = _body_part(await receive())
                chunks.append(chunk)
                total += len(chunk)
                self._unfinished_bytes += len(chunk)
                if total > self._limit_bytes:
                    raise self._too_large()
                if self._unfinished_bytes > _UNFINISHED_BODIES * self._limit_bytes:
                    raise Overloaded()
        finally:
            self._unfinished_bytes -= total
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> BadRequest:
        return BadRequest(f"the body is larger than {self._limit_bytes} bytes", status=413)


def _body_part(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        # The client is gone, or has sent what is no body and may still be there to read why.
        raise BadRequest("the body broke off")
    return message.get("body", b""), message.get("more_body", False)


async def within(seconds: float, awaitable: Awaitable[Result]) -> Result:
    """Await with a time limit, in this task; ``asyncio.timeout`` for Python 3.10 too, and cheaper than ``wait_for``.

    Raises:
        TimeoutError: the time is over.
    """
    task = asyncio.current_task()
    is_over = False

    def expire() -> None:
        nonlocal is_over
        is_over = True
        if task is not None:
            task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        return await awaitable
    except asyncio.CancelledError:
        if not is_over:
            raise
        if task is not None and sys.version_info >= (3, 11):
            task.uncancel()
        raise TimeoutError from None
    finally:
        timer.cancel()
