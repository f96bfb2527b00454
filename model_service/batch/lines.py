"""The JSON lines of a batch run: one object per item, in input order.

``{"item": 0, "source": "a/1.jpg", "result": "SUCCESSFUL", "answer": ...}`` or
``{"item": 3, "source": "a/4.jpg", "result": "FAILED", "error_message": "..."}``
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUCCESSFUL = "SUCCESSFUL"
FAILED = "FAILED"

_TEXT = json.JSONEncoder(ensure_ascii=False)


def answer_line(index: int, source: str, answer: bytes) -> bytes:
    """Make the line of an item with an answer, which is given as JSON text."""
    return b'%s, "answer": %s}\n' % (_head(index, source, SUCCESSFUL), answer)


def failure_line(index: int, source: str, reason: str) -> bytes:
    """Make the line of an item without one."""
    return b'%s, "error_message": %s}\n' % (_head(index, source, FAILED), json_text(reason))


def _head(index: int, source: str, result: str) -> bytes:
    return b'{"item": %d, "source": %s, "result": "%s"' % (index, json_text(source), result.encode())


def json_text(value: Any) -> bytes:
    """Return a value as JSON text; file names that are no UTF-8 keep their bytes as escapes."""
    try:
        return _TEXT.encode(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read the lines of a finished run."""
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
