"""Listing and reading, wherever a file lies."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from model_service.storage import local, remote
from model_service.storage.faults import StorageError, said_plainly
from model_service.storage.locations import is_url, last_name
from model_service.storage.stored_file import StoredFile

_BUFFER_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 20


def list_files(location: str) -> Iterator[StoredFile]:
    """List the files below a folder, in the order of their relative names; hidden ones are left out.

    Links and memory: see :func:`model_service.storage.local.walk` and :func:`model_service.storage.remote.find`.

    Raises:
        StorageError: a folder cannot be read.
    """
    return remote.find(location) if is_url(location) else local.walk(location)


def expand_glob(pattern: str) -> Iterator[StoredFile]:
    """List the files that match a pattern, in the order of their names; ``**`` is any number of folders.

    Names are relative to the folder above the pattern's first wildcard. Hidden files below it are left out.

    Raises:
        StorageError: a folder cannot be read.
        SettingsError: it is no pattern.
    """
    return remote.glob(pattern) if is_url(pattern) else local.glob(pattern)


def is_folder(location: str) -> bool:
    """Whether a location is a folder.

    Raises:
        StorageError: the storage cannot be asked.
    """
    if not is_url(location):
        return os.path.isdir(location)
    filesystem, path = remote.filesystem_of(location)
    with said_plainly(location, "read"):
        return bool(filesystem.isdir(path))


def describe_file(location: str) -> StoredFile:
    """Look at one file.

    Raises:
        StorageError: it is absent or cannot be read.
    """
    if not is_url(location):
        if not os.path.isfile(location):
            raise StorageError(f"{location}: no such file")
        return StoredFile(last_name(location), location, local.version_of(location))
    filesystem, path = remote.filesystem_of(location)
    with said_plainly(location, "read"):
        return StoredFile(last_name(location), location, remote.version_of(filesystem.info(path)))


class _RawFile(Protocol):
    """What is asked of files, whoever opened them."""

    def readinto(self, buffer: Any, /) -> int | None: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def seekable(self) -> bool: ...
    def close(self) -> None: ...


class _NamedFile(io.RawIOBase):
    """A file whose errors are StorageErrors that name it.

    Args:
        location: what it is called.
        file: the file itself.
        owner: what must live as long as the file.
    """

    def __init__(self, location: str, file: _RawFile, owner: object = None):
        self._location = location
        self._file = file
        self._owner = owner

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def readinto(self, buffer: Any, /) -> int | None:
        with said_plainly(self._location, "read"):
            return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with said_plainly(self._location, "read"):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        with suppress(Exception):  # nothing was written
            self._file.close()
        super().close()


@contextmanager
def open_file(location: str) -> Iterator[io.BufferedReader[Any]]:
    """Open a file for reading bytes.

    Raises:
        StorageError: it cannot be opened; or, by any method of the file, read.
    """
    with said_plainly(location, "read"):
        raw = _open_url(location) if is_url(location) else _NamedFile(location, local.open_regular(location))
    with io.BufferedReader(raw, _BUFFER_BYTES) as opened:
        yield opened


def _open_url(location: str) -> _NamedFile:
    filesystem, path = remote.filesystem_of(location)
    file = filesystem.open(path, "rb")
    details = getattr(file, "details", None)
    if isinstance(details, dict) and details.get("type") == "directory":  # which S3 would have us read as an empty file
        raise StorageError(f"{location}: cannot be read: {os.strerror(errno.EISDIR)}")
    return _NamedFile(location, file, filesystem)


def read_whole(location: str, max_bytes: int) -> bytes:
    """Read a file.

    Raises:
        StorageError: it cannot be read, or holds more than ``max_bytes``.
    """
    is_small = True
    if is_url(location):
        with open_file(location) as file:
            content = b"".join(_chunks(file, max_bytes))
    else:
        with said_plainly(location, "read"), local.open_regular(location) as raw:
            is_small = os.fstat(raw.fileno()).st_size <= max_bytes
            content = raw.readall() if is_small else b""  # a buffer of the limit's size would cost more than reading
    if not is_small or len(content) > max_bytes:
        raise StorageError(f"{location}: larger than {max_bytes} bytes")
    return content


def _chunks(file: io.BufferedReader[Any], max_bytes: int) -> Iterator[bytes]:
    """What a file holds, up to a little more than ``max_bytes``."""
    left = max_bytes + 1
    while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk
