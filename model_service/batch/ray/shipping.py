"""A package on its way to machines that have no copy of it: files in pieces there, the same files here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PIECE_BYTES = 32 << 20
_NOT_SHIPPED = "__pycache__"

# What stands for a piece while it travels; made by the sender's ``store``, understood by the receiver's ``fetch``.
Ticket = Any


@dataclass(frozen=True)
class ShippedFile:
    """One file: its path below the folder, its permissions, and tickets for its pieces, in order."""

    path: str
    mode: int
    pieces: tuple[Ticket, ...]


def ship(folder: Path, store: Callable[[bytes], Ticket]) -> list[ShippedFile]:
    """Send every file below a folder; what links lead to is sent as files.

    Args:
        folder: what is sent.
        store: takes a piece of at most 32 MiB and returns its ticket.

    Raises:
        OSError: a file cannot be read.
    """
    return [ship_file(path, path.relative_to(folder).as_posix(), store) for path in _files(folder, ())]


def ship_file(file: Path, name: str, store: Callable[[bytes], Ticket]) -> ShippedFile:
    """Send one file under another name.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as content:
        pieces = tuple(map(store, iter(lambda: content.read(_PIECE_BYTES), b"")))
    return ShippedFile(name, file.stat().st_mode & 0o777, pieces)


def _files(folder: Path, ancestors: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in ancestors:  # a link back up
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name != _NOT_SHIPPED:
                yield from _files(path, (*ancestors, here))
        elif path.is_file():  # a broken link is of no use there either
            yield path


def unpack(files: Sequence[ShippedFile], folder: Path, fetch: Callable[[Ticket], bytes]) -> None:
    """Write the files that were shipped below a folder, which is made.

    Raises:
        OSError: one cannot be written.
    """
    folder.mkdir(parents=True)
    for file in files:
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as content:
            for ticket in file.pieces:
                content.write(fetch(ticket))
            os.fchmod(content.fileno(), file.mode | 0o600)
