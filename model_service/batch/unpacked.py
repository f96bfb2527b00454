"""Files that may be packed with gzip, whatever their names say."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from model_service.errors import SettingsError
from model_service.storage import open_file

_GZIP_MAGIC = b"\x1f\x8b"


class DamagedFile(SettingsError):
    """A packed file cannot be unpacked; the message says which."""


@contextmanager
def open_unpacked(location: str) -> Iterator[io.BufferedReader[Any]]:
    """Open a file for reading bytes; they are unpacked on the way.

    Raises:
        StorageError: it cannot be opened; or, by any method of the file, read.
        DamagedFile: at the end of the ``with`` block, if something in it could not be unpacked.
    """
    with open_file(location) as file:
        if not file.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
            yield file
            return
        try:
            with gzip.GzipFile(fileobj=file) as unpacked, io.BufferedReader(unpacked) as buffered:
                yield buffered
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DamagedFile(f"{location}: damaged: {error}") from error
