"""Arrays in files, read row by row: IDX, .npy and .npz, gzip or not, whatever their size."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from model_service.errors import SettingsError
from model_service.storage import open_file

_GZIP_MAGIC = b"\x1f\x8b"
_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
# The third byte of an IDX file -> its element type, big-endian.
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_ROW_BYTES = 1 << 30

Array = np.ndarray[Any, Any]


class ArrayFileError(SettingsError):
    """A file is no array that can be read by rows; the message says which file and why."""


@dataclass(frozen=True)
class ArrayHeader:
    """What the beginning of a file says of its array: its shape and its element type as stored."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        return self.dtype.itemsize * math.prod(self.shape[1:])


class ArrayReader:
    """The rows of one array, from first to last."""

    def __init__(self, location: str, file: BinaryIO, header: ArrayHeader):
        self.header = header
        self._location = location
        self._file = file

    def skip(self, rows: int) -> None:
        """Pass over rows; they are read where the file cannot be wound forward."""
        left = rows * self.header.row_bytes
        while left:
            chunk = self._file.read(min(left, 1 << 20))
            if not chunk:
                raise self._cut_off()
            left -= len(chunk)

    def read(self, rows: int) -> Array:
        """Read the next ``rows`` rows: shape [rows, ...], native byte order.

        Raises:
            ArrayFileError: the file ends too early, or is damaged.
        """
        wanted = rows * self.header.row_bytes
        try:
            content = self._file.read(wanted)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise ArrayFileError(f"{self._location}: damaged: {error}") from error
        if len(content) != wanted:
            raise self._cut_off()
        array = np.frombuffer(content, self.header.dtype).reshape(rows, *self.header.shape[1:])
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))

    def _cut_off(self) -> ArrayFileError:
        return ArrayFileError(
            f"{self._location}: ends before the {self.header.shape[0]} rows that its header announces"
        )


@contextmanager
def open_arrays(location: str) -> Iterator[dict[str | None, ArrayReader]]:
    """Open the arrays of a file: one without a name, or those of an .npz by name; all have the same number of rows.

    Raises:
        ArrayFileError: it holds no array that can be read by rows.
        StorageError: it cannot be read.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open_file(location))
        try:
            yield _readers(location, file, stack)
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, struct.error) as error:
            raise ArrayFileError(f"{location}: damaged: {error}") from error


def _readers(location: str, file: BinaryIO, stack: ExitStack) -> dict[str | None, ArrayReader]:
    if _peek(file).startswith(_ZIP_MAGIC):
        archive = stack.enter_context(zipfile.ZipFile(file))
        readers: dict[str | None, ArrayReader] = {}
        for name in archive.namelist():
            member: Any = stack.enter_context(archive.open(name))
            label = f"{location} ({name})"
            readers[name.removesuffix(".npy")] = ArrayReader(label, member, _read_header(label, member))
        counts = {reader.header.shape[0] for reader in readers.values()}
        if len(counts) != 1:
            raise ArrayFileError(f"{location}: its arrays have {sorted(counts)} rows; all must have the same number")
        return readers
    if _peek(file).startswith(_GZIP_MAGIC):
        unpacked: Any = stack.enter_context(gzip.GzipFile(fileobj=file))
        return {None: ArrayReader(location, unpacked, _read_header(location, unpacked))}
    return {None: ArrayReader(location, file, _read_header(location, file))}


def _peek(file: BinaryIO) -> bytes:
    start = file.read(8)
    file.seek(0)
    return start


def _read_header(location: str, file: BinaryIO) -> ArrayHeader:
    magic = file.read(4)
    if magic == _NPY_MAGIC[:4]:
        header = _read_npy_header(location, file)
    elif magic[:2] == b"\0\0" and len(magic) == 4 and magic[2] in _IDX_TYPES:
        sizes = file.read(4 * magic[3])
        header = ArrayHeader(struct.unpack(f">{magic[3]}I", sizes), np.dtype(_IDX_TYPES[magic[2]]))
    else:
        raise ArrayFileError(f"{location}: neither an IDX nor an .npy file")
    if not header.shape:
        raise ArrayFileError(f"{location}: holds a single value, not rows")
    if header.row_bytes > _MAX_ROW_BYTES:
        raise ArrayFileError(f"{location}: its header announces rows of {header.row_bytes} bytes; damaged?")
    return header


def _read_npy_header(location: str, file: BinaryIO) -> ArrayHeader:
    version = file.read(4)[2:]
    read = {b"\1\0": np.lib.format.read_array_header_1_0, b"\2\0": np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise ArrayFileError(f"{location}: an .npy file of a version that is not known")
    try:
        shape, is_fortran_order, dtype = read(file)
    except ValueError as error:
        raise ArrayFileError(f"{location}: its header cannot be read: {error}") from error
    if dtype.hasobject:
        raise ArrayFileError(f"{location}: holds Python objects, which are not loaded; save numbers")
    if is_fortran_order and len(shape) > 1:
        raise ArrayFileError(f"{location}: is stored column by column; save numpy.ascontiguousarray(...) of it")
    return ArrayHeader(shape, dtype)
