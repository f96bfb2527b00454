"""Arrays in files, read row by row: IDX, .npy and .npz, gzip or not, whatever their size."""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from model_service.batch.unpacked import open_unpacked
from model_service.errors import SettingsError
from model_service.idx import ELEMENT_TYPES, is_idx

_NPY_MAGIC = b"\x93NUMPY"
_ZIP_MAGIC = b"PK\x03\x04"
# Version of an .npy file -> how the length of its header is stored, and who reads the header.
_NPY_VERSIONS = {
    b"\1\0": ("<H", np.lib.format.read_array_header_1_0),
    b"\2\0": ("<I", np.lib.format.read_array_header_2_0),
}
_KINDS = "biufcSU"
_MAX_HEADER_BYTES = 1 << 16
_MAX_DIMENSIONS = 32
_MAX_ROW_BYTES = 1 << 30
_MAX_BYTES = 1 << 43  # more than file systems can wind a file forward

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
        """Pass over rows.

        Raises:
            ArrayFileError: the file is damaged.
        """
        with self._plain_errors():
            self._file.seek(rows * self.header.row_bytes, os.SEEK_CUR)

    def read(self, rows: int) -> Array:
        """Read the next ``rows`` rows: shape [rows, ...], native byte order.

        Raises:
            ArrayFileError: the file ends too early, or is damaged.
        """
        content = self._read_bytes(rows * self.header.row_bytes)
        array = np.frombuffer(content, self.header.dtype).reshape(rows, *self.header.shape[1:])
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))

    def check_length(self) -> None:
        """Make sure that no row is missing at the end; nothing can be read after this.

        Raises:
            ArrayFileError: the file ends too early, or is damaged.
        """
        if self.header.shape[0]:
            with self._plain_errors():
                self._file.seek(self.header.shape[0] * self.header.row_bytes - 1, os.SEEK_CUR)
            self._read_bytes(1)

    def _read_bytes(self, length: int) -> bytes:
        with self._plain_errors():
            content = self._file.read(length)
        if len(content) != length:
            raise ArrayFileError(
                f"{self._location}: ends before the {self.header.shape[0]} rows that its header announces"
            )
        return content

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, OverflowError, zlib.error, zipfile.BadZipFile) as error:
            raise ArrayFileError(f"{self._location}: damaged: {error}") from error


@contextmanager
def open_arrays(location: str) -> Iterator[dict[str | None, ArrayReader]]:
    """Open the arrays of a file: one without a name, or those of an .npz by name; all have the same number of rows.

    Raises:
        ArrayFileError: it holds no array that can be read by rows.
        DamagedFile: it cannot be unpacked.
        StorageError: it cannot be read.
    """
    with open_unpacked(location) as file, ExitStack() as stack:
        if file.peek(len(_ZIP_MAGIC)).startswith(_ZIP_MAGIC):
            yield _read_archive(location, file, stack)
        else:
            yield {None: ArrayReader(location, file, _read_header(location, file))}


def _read_archive(location: str, file: BinaryIO, stack: ExitStack) -> dict[str | None, ArrayReader]:
    readers: dict[str | None, ArrayReader] = {}
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
        for name in archive.namelist():
            member: Any = stack.enter_context(archive.open(name))
            label = f"{location} ({name})"
            readers[name.removesuffix(".npy")] = ArrayReader(label, member, _read_header(label, member))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ArrayFileError(f"{location}: damaged: {error}") from error
    except (ValueError, RuntimeError, OSError) as error:  # packed twice, with a password, in a way that is not known
        raise ArrayFileError(f"{location}: cannot be opened as an .npz file: {error}") from error
    counts = sorted({reader.header.shape[0] for reader in readers.values()})
    if len(counts) > 1:
        raise ArrayFileError(f"{location}: its arrays have {counts} rows; all must have the same number")
    return readers


def _read_header(location: str, file: BinaryIO) -> ArrayHeader:
    magic = file.read(4)
    try:
        if magic == _NPY_MAGIC[:4]:
            header = _read_npy_header(location, file)
        elif is_idx(magic):
            sizes = struct.unpack(f">{magic[3]}I", file.read(4 * magic[3]))
            header = ArrayHeader(sizes, np.dtype(f">{ELEMENT_TYPES[magic[2]]}"))
        else:
            raise ArrayFileError(f"{location}: neither an IDX nor an .npy file")
    except struct.error as error:
        raise ArrayFileError(f"{location}: ends within its header") from error
    _check_header(location, header)
    return header


def _read_npy_header(location: str, file: BinaryIO) -> ArrayHeader:
    version = file.read(4)[2:]
    if version not in _NPY_VERSIONS:
        raise ArrayFileError(f"{location}: an .npy file of a version that is not known")
    length_format, read = _NPY_VERSIONS[version]
    stored_length = file.read(struct.calcsize(length_format))
    (length,) = struct.unpack(length_format, stored_length)
    if length > _MAX_HEADER_BYTES:
        raise ArrayFileError(f"{location}: its header announces itself with {length} bytes; damaged?")
    try:
        shape, is_fortran_order, dtype = read(BytesIO(stored_length + file.read(length)))
    except Exception as error:  # a header is Python source, and can be wrong in as many ways
        raise ArrayFileError(f"{location}: its header cannot be read: {error}") from error
    if is_fortran_order and len(shape) > 1:
        raise ArrayFileError(f"{location}: is stored column by column; save numpy.ascontiguousarray(...) of it")
    return ArrayHeader(shape, dtype)


def _check_header(location: str, header: ArrayHeader) -> None:
    shape, dtype = header.shape, header.dtype
    if dtype.hasobject:
        raise ArrayFileError(f"{location}: holds Python objects, which are not loaded; save numbers or text")
    if dtype.kind not in _KINDS:
        raise ArrayFileError(f"{location}: holds elements of type {dtype}; save numbers or text")
    if not shape:
        raise ArrayFileError(f"{location}: holds a single value, not rows")
    if len(shape) > _MAX_DIMENSIONS:
        raise ArrayFileError(f"{location}: its header announces {len(shape)} dimensions; damaged?")
    if min(shape) < 0:
        raise ArrayFileError(f"{location}: its header announces the shape {list(shape)}; damaged?")
    if shape[0] and not header.row_bytes:
        raise ArrayFileError(f"{location}: its rows, of shape {list(shape[1:])}, are empty")
    if header.row_bytes > _MAX_ROW_BYTES:
        raise ArrayFileError(f"{location}: its header announces rows of {header.row_bytes} bytes; damaged?")
    if shape[0] * header.row_bytes > _MAX_BYTES:
        raise ArrayFileError(f"{location}: its header announces {shape[0]} rows; damaged?")
