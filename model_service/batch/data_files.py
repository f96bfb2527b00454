"""The files that results are appended to while a run goes on; they get their names when it is finished."""

from __future__ import annotations

import io
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from model_service.batch.items import BatchResult
from model_service.batch.journal import Journal, Record
from model_service.batch.outcome import CannotGoOn

LINES_NAME = "predictions.jsonl"
FAILURES_NAME = "failures.jsonl"

PARTIAL = ".partial"
_SYNC_SECONDS = 1.0
_CHUNK_BYTES = 1 << 20


class DataFiles:
    """JSON lines of all items; or, for arrays, an .npy file per output and JSON lines of the failures.

    Args:
        folder: where they are written.
        journal: what is in them; they are cut back to what it says.
        rows: how many items the whole input has.
        has_arrays: results come with arrays.

    Raises:
        CannotGoOn: they cannot be written.
    """

    def __init__(self, folder: Path, journal: Journal, rows: int, has_arrays: bool):
        self._folder = folder
        self._journal = journal
        self._rows = rows
        self._lines_name = FAILURES_NAME if has_arrays else LINES_NAME
        self._files: dict[str, io.FileIO] = {}
        self._headers: dict[str, bytes] = {}
        self._synced_at = time.monotonic()
        try:
            self._take_up()
        except OSError as error:
            raise _unwritable(error, self._folder) from error

    def _take_up(self) -> None:
        journal = self._journal
        for name in journal.last.ends if journal.last is not None else ():
            partial, final = self._folder / (name + PARTIAL), self._folder / name
            if final.exists() and not partial.exists():  # killed while names were given
                final.rename(partial)
            if partial.exists():
                self._files[name] = io.FileIO(partial, "r+")
        while journal.last is not None and not self._holds(journal.last):
            journal.drop_last()
        ends = journal.last.ends if journal.last is not None else {}
        for name, file in self._files.items():
            file.truncate(ends.get(name, 0))
            file.seek(0, os.SEEK_END)
        self._file(self._lines_name)

    def _file(self, name: str) -> io.FileIO:
        """An open file; one that no record speaks of begins empty."""
        if name not in self._files:
            self._files[name] = io.FileIO(self._folder / (name + PARTIAL), "w+")
        return self._files[name]

    def _holds(self, record: Record) -> bool:
        """Whether what a record speaks of has reached the disk; after a power cut it may not have."""
        for name, end in record.ends.items():
            file = self._files.get(name)
            if file is None or os.fstat(file.fileno()).st_size < end:
                return False
            start = record.starts.get(name, 0)
            file.seek(start)
            if _checksum(file, end - start) != record.checksums[name]:
                return False
        return True

    def append(self, result: BatchResult) -> None:
        """Write the results of the next batch, then its record.

        Raises:
            CannotGoOn: they cannot be written; the next run takes up before this batch.
        """
        last = self._journal.last
        checksums: dict[str, int] = {}
        try:
            for name, content in self._contents(result):
                file = self._file(name)
                written = content
                while written:
                    written = written[file.write(written) :]
                checksums[name] = zlib.crc32(content)
            ends = {name: file.tell() for name, file in self._files.items()}
            self._journal.add(
                Record(
                    batch=result.number,
                    items=result.items + (last.items if last is not None else 0),
                    failed=result.failed + (last.failed if last is not None else 0),
                    starts=last.ends if last is not None else {},
                    ends=ends,
                    checksums={name: checksums.get(name, 0) for name in ends},
                )
            )
            if time.monotonic() - self._synced_at >= _SYNC_SECONDS:
                self.sync()
        except OSError as error:
            raise _unwritable(error, self._folder) from error

    def _contents(self, result: BatchResult) -> Iterator[tuple[str, memoryview]]:
        yield self._lines_name, memoryview(result.lines)
        for output, array in (result.arrays or {}).items():
            name = f"{output.replace('/', '_')}.npy"
            header = self._header(array)
            known = self._headers.setdefault(name, header)
            if known != header:
                raise CannotGoOn(
                    f"the output {output!r} has rows of another shape in batch {result.number} than before; use "
                    "--format jsonl"
                )
            content = np.ascontiguousarray(array).tobytes()
            yield name, memoryview(content if self._file(name).tell() else header + content)

    def _header(self, array: np.ndarray[Any, Any]) -> bytes:
        """The beginning of the .npy file that will hold all rows."""
        if array.dtype.hasobject:
            raise CannotGoOn("the model answers text, which an .npy file cannot hold; use --format jsonl")
        description: dict[str, Any] = {
            "descr": np.lib.format.dtype_to_descr(array.dtype),
            "fortran_order": False,
            "shape": (self._rows, *array.shape[1:]),
        }
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, description)
        return header.getvalue()

    def sync(self) -> None:
        """Have everything reach the disk: results first, then what speaks of them."""
        for file in self._files.values():
            os.fsync(file.fileno())
        self._journal.sync()
        self._synced_at = time.monotonic()

    def finish(self) -> list[Path]:
        """Give the files their names; return their paths."""
        try:
            self.sync()
            paths = []
            for name, file in self._files.items():
                file.close()
                paths.append((self._folder / (name + PARTIAL)).rename(self._folder / name))
            self._files.clear()
        except OSError as error:
            raise _unwritable(error, self._folder) from error
        return paths

    def close(self) -> None:
        """Close the files as they are."""
        for file in self._files.values():
            file.close()


def _checksum(file: io.FileIO, length: int) -> int:
    checksum = 0
    while length > 0:
        chunk = file.read(min(length, _CHUNK_BYTES))
        if not chunk:
            break
        checksum = zlib.crc32(chunk, checksum)
        length -= len(chunk)
    return checksum


def _unwritable(error: OSError, folder: Path) -> CannotGoOn:
    return CannotGoOn(
        f"{error.filename or folder}: cannot be written: {error.strerror}. What is finished so far is kept: make room, "
        "or mend it, and run the same command again"
    )
