"""Where items come from: a folder, a pattern, a manifest, rows of arrays, CSV rows, JSON lines; local or by URL.

A source is read twice: once to count and to fingerprint it, once for its items. Neither holds more than a few items.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from model_service.batch.array_files import ArrayHeader, open_arrays
from model_service.batch.items import BrokenContent, CellsContent, Content, FileContent, Item, RowContent, ValueContent
from model_service.errors import SettingsError
from model_service.storage import (
    StoredFile,
    describe_file,
    expand_glob,
    has_wildcard,
    is_folder,
    is_url,
    list_files,
    open_file,
)

_MAX_LINE_BYTES = 64 * 1024 * 1024
_ROWS_PER_READ = 64


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
        location: a folder, a pattern, or a file: IDX and .npy (also as .gz), .npz, .csv, .jsonl, .manifest; a path or
            a URL.
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
        return LineSource(file, _manifest_content(location), announce)
    if kind in ("jsonl", "ndjson"):
        return LineSource(file, _json_content, announce)
    if kind == "csv":
        return CsvSource(file, csv_has_header, announce)
    if kind in ("npy", "npz") or kind.endswith("ubyte") or kind == "idx":
        return ArraySource(file)
    raise SettingsError(
        f"--input {location}: must be a folder, a pattern, or a file called *.manifest, *.jsonl, *.csv, *.npy, *.npz, "
        "*.idx or *ubyte (IDX); IDX and .npy also as .gz"
    )


class FileSource:
    """Files, each an item. Their list is kept on disk: what vanishes later keeps its place in it."""

    def __init__(self, files: Iterable[StoredFile], spool: Path, announce: Callable[[int], None]):
        self._spool = spool
        digest = hashlib.sha256()
        self.count = 0
        with spool.open("w", encoding="ascii") as lines:
            for file in files:
                digest.update(f"{file.name}\0{file.version}\0".encode("utf-8", "surrogateescape"))
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


class LineSource:
    """Lines of a text file, each an item; empty lines are none.

    Args:
        file: the file.
        read: makes an item's name and content of a line that was parsed as JSON.
    """

    def __init__(
        self, file: StoredFile, read: Callable[[str, Any], tuple[str, Content]], announce: Callable[[int], None]
    ):
        self._file = file
        self._read = read
        digest = hashlib.sha256()
        self.count = 0
        with open_file(file.location) as content:
            for _, line in _lines(content):
                digest.update(line)
                self.count += 1
                announce(self.count)
        self.fingerprint = digest.hexdigest()

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on."""
        with open_file(self._file.location) as content:
            for index, (number, line) in enumerate(islice(_lines(content), start, None), start):
                yield Item(index, *self._item(number, line))

    def _item(self, number: int, line: bytes) -> tuple[str, Content]:
        name = f"{self._file.name}#{number}"
        try:
            return self._read(name, json.loads(line.decode("utf-8-sig")))
        except (ValueError, RecursionError) as error:
            return name, BrokenContent(f"{self._file.name}, line {number}: not JSON: {error}")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Number and content of every line that is not empty."""
    number = 0
    while line := file.readline(_MAX_LINE_BYTES):
        number += 1
        if line.strip():
            yield number, line


def _json_content(name: str, value: Any) -> tuple[str, Content]:
    return name, ValueContent(value)


def _manifest_content(manifest: str) -> Callable[[str, Any], tuple[str, Content]]:
    """Read lines of a ModelArts manifest: ``source`` names one file; a relative one lies beside the manifest."""
    folder = manifest.rpartition("/")[0]

    def read(name: str, value: Any) -> tuple[str, Content]:
        # Old manifests of the platform have a blank after the key.
        fields = {key.strip(): entry for key, entry in value.items()} if isinstance(value, dict) else {}
        source = fields.get("source")
        if not isinstance(source, str) or not source:
            return name, BrokenContent(f"{name}: a line of a manifest needs the text field source")
        if is_url(source) or source.startswith("/"):
            return source, FileContent(source)
        return source, FileContent(f"{folder}/{source}" if folder else source)

    return read


class CsvSource:
    """Rows of a CSV file, each an item: a list of texts."""

    def __init__(self, file: StoredFile, has_header: bool, announce: Callable[[int], None]):
        self._file = file
        self._has_header = has_header
        self.fingerprint = file.version
        self.count = 0
        for _ in self._rows():
            self.count += 1
            announce(self.count)

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on."""
        for index, (number, row) in enumerate(islice(self._rows(), start, None), start):
            yield Item(index, f"{self._file.name}#{number}", CellsContent(tuple(row)))

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        with open_file(self._file.location) as content, io.TextIOWrapper(content, "utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            try:
                if self._has_header:
                    next(reader, None)
                for row in reader:
                    if row:
                        yield reader.line_num, row
            except (csv.Error, UnicodeDecodeError) as error:
                raise SettingsError(f"{self._file.location}, line {reader.line_num + 1}: no CSV: {error}") from error


class ArraySource:
    """Rows of an array, or of several that belong together (.npz).

    Attributes:
        headers: shape and element type by name; the name is None in files that have only one.
    """

    def __init__(self, file: StoredFile):
        self._file = file
        self.fingerprint = file.version
        with open_arrays(file.location) as readers:
            self.headers: dict[str | None, ArrayHeader] = {name: reader.header for name, reader in readers.items()}
        self.count = next(iter(self.headers.values())).shape[0]

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on."""
        if len(self.headers) > 1:
            raise SettingsError(
                f"{self._file.location}: holds the arrays {', '.join(map(str, self.headers))}; a hook takes one. "
                "Use --tensors to feed the model's inputs with them"
            )
        for first, arrays in self.row_blocks(start, _ROWS_PER_READ):
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
