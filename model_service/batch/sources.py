"""Where items come from: a folder, a pattern, a manifest, rows of arrays, CSV rows, JSON lines; local or by URL.

A source is read twice: once to count and to fingerprint it, once for its items. Neither holds more than a few items.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from model_service.batch.array_files import ArrayHeader, open_arrays
from model_service.batch.items import CellsContent, FileContent, Item, RowContent
from model_service.batch.line_source import LineSource, manifest_reader, read_json_line
from model_service.batch.text_lines import MAX_LINE_BYTES, numbered_lines
from model_service.batch.unpacked import open_unpacked
from model_service.errors import SettingsError
from model_service.storage import StoredFile, describe_file, expand_glob, has_wildcard, is_folder, list_files

_ROWS_PER_READ = 64
_BYTES_PER_READ = 1 << 24


class Source(Protocol):
    """A countable, repeatable sequence of items."""

    @property
    def count(self) -> int:
        """How many items there are."""

    @property
    def fingerprint(self) -> str:
        """A digest that changes when the input does."""

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on."""


def open_source(
    location: str, spool: Path, csv_has_header: bool = False, announce: Callable[[int], None] = lambda count: None
) -> Source:
    """Find out what a location is, and count its items.

    Args:
        location: a folder, a pattern, or a file: IDX, .npy, .npz, .csv, .jsonl, .manifest; a path or a URL. All but
            .npz may be packed with gzip.
        spool: where the list of a folder's files is kept.
        csv_has_header: the first row of a CSV file holds names.
        announce: called now and then with how many items were counted.

    Raises:
        SettingsError: it is none of these, or has no items.
        StorageError: it cannot be read.
    """
    source = _open(location, spool, csv_has_header, announce)
    if source.count == 0:
        raise SettingsError(f"--input {location}: there is nothing in it")
    return source


def _open(location: str, spool: Path, csv_has_header: bool, announce: Callable[[int], None]) -> Source:
    if has_wildcard(location):
        return FileSource(expand_glob(location), spool, announce)
    if is_folder(location):
        return FileSource(list_files(location), spool, announce)
    file = describe_file(location)
    kind = file.name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    if kind == "manifest":
        return LineSource(file, manifest_reader(location), f"manifest at {location}", announce)
    if kind in ("jsonl", "ndjson"):
        return LineSource(file, read_json_line, "JSON lines", announce)
    if kind == "csv":
        return CsvSource(file, csv_has_header, announce)
    if kind in ("npy", "npz") or kind.endswith("ubyte") or kind == "idx":
        return ArraySource(file)
    raise SettingsError(
        f"--input {location}: must be a folder, a pattern, or a file called *.manifest, *.jsonl, *.csv, *.npy, *.npz, "
        "*.idx or *ubyte (IDX); all but *.npz also as *.gz"
    )


class FileSource:
    """Files, each an item. Their list is kept on disk: what vanishes later keeps its place in it."""

    def __init__(self, files: Iterable[StoredFile], spool: Path, announce: Callable[[int], None]):
        self._spool = spool
        digest = hashlib.sha256()
        self.count = 0
        with spool.open("w", encoding="ascii") as lines:
            for file in files:
                digest.update(_as_bytes(f"{file.name}\0{file.version}\0"))
                lines.write(json.dumps([file.name, file.location]) + "\n")
                self.count += 1
                announce(self.count)
        self.fingerprint = digest.hexdigest()

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on."""
        with self._spool.open(encoding="ascii") as lines:
            for index, line in enumerate(islice(lines, start, None), start):
                name, location = json.loads(line)
                yield Item(index, name, FileContent(location))


class CsvSource:
    """Rows of a CSV file, each an item: a list of texts.

    Args:
        file: the file; packed with gzip or not.
        has_header: the first row holds names and is none.
        announce: called now and then with how many items were counted.

    Raises:
        SettingsError: it is no CSV.
    """

    def __init__(self, file: StoredFile, has_header: bool, announce: Callable[[int], None]):
        self._file = file
        self._has_header = has_header
        digest = hashlib.sha256(_as_bytes(f"csv\0{file.name}\0"))
        self.count = 0
        for _ in self._rows(digest.update):
            self.count += 1
            announce(self.count)
        self.fingerprint = digest.hexdigest()

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on.

        Raises:
            SettingsError: it has changed since it was counted.
        """
        index = start
        for number, row in islice(self._rows(), start, self.count):
            yield Item(index, f"{self._file.name}#{number}", CellsContent(tuple(row)))
            index += 1
        if index < self.count:
            raise SettingsError(f"{self._file.location}: has become shorter while it was read")

    def _rows(self, hear: Callable[[bytes], object] = lambda content: None) -> Iterator[tuple[int, list[str]]]:
        """Number of the last line and cells of every row."""
        with open_unpacked(self._file.location) as content:
            reader = csv.reader(self._lines(content, hear), strict=True)
            try:
                if self._has_header:
                    next(reader, None)
                for row in reader:
                    if row:
                        yield reader.line_num, row
            except csv.Error as error:
                raise SettingsError(f"{self._file.location}, line {reader.line_num}: no CSV: {error}") from error

    def _lines(self, content: BinaryIO, hear: Callable[[bytes], object]) -> Iterator[str]:
        for number, line in numbered_lines(content, hear):
            if line is None:
                raise SettingsError(f"{self._file.location}, line {number}: longer than {MAX_LINE_BYTES} bytes")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise SettingsError(f"{self._file.location}, line {number}: not UTF-8: {error}") from error


class ArraySource:
    """Rows of an array, or of several that belong together (.npz).

    Attributes:
        headers: shape and element type by name; the name is None in files that have only one.
    """

    def __init__(self, file: StoredFile):
        self._file = file
        self.fingerprint = f"{file.name} {file.version}"
        with open_arrays(file.location) as readers:
            self.headers: dict[str | None, ArrayHeader] = {name: reader.header for name, reader in readers.items()}
            for reader in readers.values():
                reader.check_length()
        self.count = next(iter(self.headers.values())).shape[0]

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on."""
        if len(self.headers) > 1:
            raise SettingsError(
                f"{self._file.location}: holds the arrays {', '.join(map(str, self.headers))}; a hook takes one. "
                "Use --tensors to feed the model's inputs with them"
            )
        (header,) = self.headers.values()
        rows_per_read = max(1, min(_ROWS_PER_READ, _BYTES_PER_READ // max(1, header.row_bytes)))
        for first, arrays in self.row_blocks(start, rows_per_read):
            (rows,) = arrays.values()
            for offset, row in enumerate(rows):
                yield Item(first + offset, self.name_of(first + offset), RowContent(row))

    def row_blocks(self, start: int, rows_per_block: int) -> Iterator[tuple[int, dict[str | None, Any]]]:
        """Read the rows from ``start`` on in blocks: the index of the first row, and arrays of shape [rows, ...]."""
        with open_arrays(self._file.location) as readers:
            for reader in readers.values():
                reader.skip(start)
            for first in range(start, self.count, rows_per_block):
                rows = min(rows_per_block, self.count - first)
                yield first, {name: reader.read(rows) for name, reader in readers.items()}

    def name_of(self, index: int) -> str:
        """What a row is called in the output."""
        return f"{self._file.name}#{index}"


def _as_bytes(text: str) -> bytes:
    """For digests; names that are no UTF-8 keep their bytes."""
    return text.encode("utf-8", "surrogateescape")
