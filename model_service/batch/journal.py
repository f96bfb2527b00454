"""What a run has done so far, on disk: so that it can be killed at any moment and taken up again.

The journal is a file of JSON lines: first what the run is, then a record for each batch whose results are in the data
files, in order. A record is written after the results it speaks of; what stands behind the last record is discarded.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from model_service.errors import SettingsError

FOLDER_NAME = ".model-service-batch"
_JOURNAL_NAME = "journal.jsonl"
_LOCK_NAME = "lock"
_FORMAT = 2


@dataclass(frozen=True)
class Record:
    """One finished batch, and what the run has come to with it.

    Attributes:
        batch: its number.
        items: how many items are done.
        failed: how many of them have no answer.
        starts: data file -> its length before this batch, in bytes.
        ends: data file -> its length with this batch, in bytes.
        checksums: data file -> CRC-32 of what this batch added.
    """

    batch: int
    items: int
    failed: int
    starts: Mapping[str, int]
    ends: Mapping[str, int]
    checksums: Mapping[str, int]


class JournalMismatch(SettingsError):
    """The destination holds the output of another run."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs away from a journal folder, which is made, for the length of a ``with`` block.

    Raises:
        SettingsError: another run is working there, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK_NAME).open("a+b")
    except OSError as error:
        raise SettingsError(f"--output {folder.parent}: cannot be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            owner = file.read().decode("ascii", "replace").strip() or "unknown"
            raise SettingsError(
                f"--output {folder.parent}: another run (process {owner}) is working on it; wait for its end, or name "
                "another folder"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


class Journal:
    """The journal in a folder; the folder must be locked.

    Args:
        folder: where it lies.
        identity: what makes two runs the same, by names that a person understands.

    Attributes:
        last: the newest finished batch; those before it are in the file alone, of which there may be millions.
        is_complete: the run has been finished.

    Raises:
        JournalMismatch: the folder holds the journal of a run with another identity.
        SettingsError: it cannot be read or written.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        self._path = folder / _JOURNAL_NAME
        self._identity = identity
        self.last: Record | None = None
        self.is_complete = False
        self._last_at = 0  # where the record of the newest batch begins
        try:
            self._file: BinaryIO = self._path.open("r+b" if self._path.exists() else "w+b", buffering=0)
            with ExitStack() as undo:
                undo.callback(self.close)
                self._take_up()
                undo.pop_all()
        except OSError as error:
            raise SettingsError(f"{self._path}: cannot be written: {error.strerror}") from error

    def _take_up(self) -> None:
        """Read what is there; cut off what cannot be relied on."""
        self.last, self.is_complete = None, False
        length = 0
        with self._path.open("rb") as lines:
            for line in lines:
                entry = _parsed(line)
                if entry is None:  # cut off while it was written
                    break
                if length == 0:
                    _check_identity(entry, self._identity, self._path.parent.parent)
                elif "complete" in entry:
                    self.is_complete = True
                else:
                    self.last, self._last_at = Record(**entry), length
                length += len(line)
        self._file.truncate(length)
        self._file.seek(length)
        if not length:
            self._write({"format": _FORMAT, "identity": dict(self._identity)})

    def add(self, record: Record) -> None:
        """Write down a finished batch."""
        begins_at = self._file.tell()
        self._write(asdict(record))
        self.last, self._last_at = record, begins_at

    def drop_last(self) -> None:
        """Take back the newest record: its results have not reached the disk."""
        self._file.truncate(self._last_at)
        self._take_up()

    def complete(self) -> None:
        """Write down that the run is finished."""
        self._write({"complete": True})
        self.sync()
        self.is_complete = True

    def sync(self) -> None:
        """Have everything reach the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, entry: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(entry).encode() + b"\n")


def _parsed(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _check_identity(entry: Mapping[str, Any], identity: Mapping[str, Any], destination: Path) -> None:
    old = entry.get("identity", {})
    if entry.get("format") == _FORMAT and old == dict(identity):
        return
    differing = [
        f"{name} was {_shown(old.get(name))}, is {_shown(identity.get(name))}"
        for name in sorted({*old, *identity})
        if old.get(name) != identity.get(name)
    ]
    raise JournalMismatch(
        f"--output {destination}: holds another run: {'; '.join(differing) or 'of another version'}. Name another "
        "folder, or add --restart to throw that run away"
    )


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def discard(folder: Path) -> frozenset[str]:
    """Remove a journal; the lock stays. Returns the names of the data files that it spoke of."""
    names: set[str] = set()
    for path in folder.iterdir():
        if path.name == _JOURNAL_NAME:
            entries = map(_parsed, path.read_bytes().splitlines(keepends=True))
            names.update(name for entry in entries if entry for name in entry.get("ends", ()))
        if path.name != _LOCK_NAME:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return frozenset(names)
