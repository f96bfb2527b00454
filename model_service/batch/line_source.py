"""Items that are lines of a text file: JSON lines, and manifests of ModelArts, whose lines name files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from model_service.batch.items import BrokenContent, Content, FileContent, Item, ValueContent
from model_service.batch.text_lines import MAX_LINE_BYTES, numbered_lines
from model_service.batch.unpacked import open_unpacked
from model_service.errors import SettingsError
from model_service.storage import StoredFile, beside, in_storage_of, is_url

# Makes an item's name and content of the name of its line and of the value in it.
ReadLine = Callable[[str, Any], tuple[str, Content]]


class LineSource:
    """Lines of a text file, each an item; empty lines are none.

    Args:
        file: the file; packed with gzip or not.
        read: makes items of lines.
        kind: with other ``kind`` the same lines are other items.
        announce: called now and then with how many items were counted.
    """

    def __init__(self, file: StoredFile, read: ReadLine, kind: str, announce: Callable[[int], None]):
        self._file = file
        self._read = read
        digest = hashlib.sha256(f"{kind}\0{file.name}\0".encode("utf-8", "surrogateescape"))
        self.count = 0
        with open_unpacked(file.location) as content:
            for _ in _filled_lines(content, digest.update):
                self.count += 1
                announce(self.count)
        self.fingerprint = digest.hexdigest()

    def items(self, start: int) -> Iterator[Item]:
        """Read the items from index ``start`` on.

        Raises:
            SettingsError: lines have gone since they were counted.
        """
        index = start
        with open_unpacked(self._file.location) as content:
            for number, line in islice(_filled_lines(content), start, self.count):
                yield Item(index, *self._item(number, line))
                index += 1
        if index < self.count:
            raise SettingsError(f"{self._file.location}: has become shorter while it was read")

    def _item(self, number: int, line: bytes | None) -> tuple[str, Content]:
        name = f"{self._file.name}#{number}"
        if line is None:
            return name, BrokenContent(f"{self._file.name}, line {number}: longer than {MAX_LINE_BYTES} bytes")
        try:
            return self._read(name, json.loads(line.decode("utf-8-sig")))
        except (ValueError, RecursionError) as error:
            return name, BrokenContent(f"{self._file.name}, line {number}: not JSON: {error}")


def _filled_lines(
    file: BinaryIO, hear: Callable[[bytes], object] = lambda content: None
) -> Iterator[tuple[int, bytes | None]]:
    return ((number, line) for number, line in numbered_lines(file, hear) if line is None or line.strip())


def read_json_line(name: str, value: Any) -> tuple[str, Content]:
    """Make an item of a line of JSON lines: the value is the request."""
    return name, ValueContent(value)


def manifest_reader(manifest: str) -> ReadLine:
    """Return what makes items of the lines of a ModelArts manifest.

    The field ``source`` of a line names one file: by URL; by absolute path, which is ``/bucket/object`` if the manifest
    itself is in S3; or relative to the manifest.

    Args:
        manifest: where the manifest lies.
    """

    def read(name: str, value: Any) -> tuple[str, Content]:
        # Old manifests of the platform have a blank after the key.
        fields = {key.strip(): entry for key, entry in value.items()} if isinstance(value, dict) else {}
        source = fields.get("source")
        if not isinstance(source, str) or not source:
            return name, BrokenContent(f"{name}: a line of a manifest needs the text field source")
        if is_url(source):
            return source, FileContent(source)
        return source, FileContent(in_storage_of(manifest, source) if source[0] == "/" else beside(manifest, source))

    return read
