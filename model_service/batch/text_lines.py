"""Lines of text files, however long one is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

MAX_LINE_BYTES = 64 * 1024 * 1024


def numbered_lines(
    file: BinaryIO, hear: Callable[[bytes], object] = lambda content: None
) -> Iterator[tuple[int, bytes | None]]:
    """Read the lines of a file, from number 1 on.

    Args:
        file: where they come from.
        hear: is told everything that was read.

    Yields:
        The number and content of a line; None in place of one longer than :data:`MAX_LINE_BYTES`.
    """
    number = 0
    while piece := file.readline(MAX_LINE_BYTES):
        number += 1
        hear(piece)
        line: bytes | None = piece
        while len(piece) == MAX_LINE_BYTES and not piece.endswith(b"\n"):
            piece = file.readline(MAX_LINE_BYTES)
            hear(piece)
            line = None if piece else line
        yield number, line
