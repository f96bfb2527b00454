"""Messages between the check and its child process: JSON both ways, so that nothing the package writes is executed."""

from __future__ import annotations

import json
from multiprocessing.connection import Connection
from typing import Any

MAX_MESSAGE_BYTES = 512 * 1024 * 1024


class NotAMessage(Exception):
    """What came is no message of ours."""


def send(connection: Connection, message: dict[str, Any]) -> None:
    """Send a message.

    Raises:
        OSError: the other end is closed.
    """
    connection.send_bytes(json.dumps(message).encode("ascii"))


def receive(connection: Connection) -> dict[str, Any]:
    """Wait for a message.

    Raises:
        EOFError, OSError: the other end is closed.
        NotAMessage: something else came.
    """
    content = connection.recv_bytes(MAX_MESSAGE_BYTES)
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NotAMessage("it is no JSON") from error
    if not isinstance(message, dict):
        raise NotAMessage("it is no object")
    return message
