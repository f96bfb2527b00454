"""IDX files, the format of MNIST and its relatives, read into arrays.

An IDX file is a big-endian header (two zero bytes, the element type, the number of dimensions, then each dimension as
uint32) followed by the elements. Files packed with gzip are recognised by content.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_service.errors import ModelServiceError

GZIP_MAGIC = b"\x1f\x8b"
# The third byte of a file -> its element type, without the byte order, which is big-endian.
ELEMENT_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_CHUNK_BYTES = 1 << 20
_MOST_DIMENSIONS = 32  # what every NumPy can hold


class IdxError(ModelServiceError):
    """An IDX file is absent, damaged, or none."""


def is_idx(head: bytes) -> bool:
    """Whether the first four bytes of a file, unpacked, can be those of an IDX file."""
    return len(head) >= 4 and head[:2] == b"\x00\x00" and head[2] in ELEMENT_TYPES


def read_idx(path: Path) -> NDArray[Any]:
    """Read one IDX file, plain or gzip.

    Returns:
        An array of the announced shape, of any rank, in native byte order: uint8, int8, int16, int32, float32 or
        float64. MNIST: images uint8 [N, 28, 28], labels uint8 [N].

    Raises:
        IdxError: unreadable, damaged gzip data, no IDX header, an unknown element type, too short, or too long.
    """
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            with gzip.open(file) if is_packed else file as content:
                return _read_content(path, content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IdxError(f"{path}: the gzip data is damaged ({error}). Fetch the file again.") from error
    except OSError as error:
        raise IdxError(f"{path}: cannot be read: {error.strerror}") from error


def _read_content(path: Path, content: BufferedReader | gzip.GzipFile) -> NDArray[Any]:
    element_type, shape = _read_header(path, content)
    announced = math.prod(shape) * element_type.itemsize
    elements = bytearray()
    # Piece by piece: a header may announce more than there is memory, and gzip data may hold more than announced.
    while len(elements) <= announced:
        chunk = content.read(min(_CHUNK_BYTES, announced + 1 - len(elements)))
        if not chunk:
            break
        elements += chunk
    if len(elements) != announced:
        header_bytes = 4 + 4 * len(shape)
        fault = "truncated" if len(elements) < announced else "trailing bytes"
        found = str(header_bytes + len(elements)) if len(elements) < announced else "more"
        raise IdxError(
            f"{path}: {fault}: its header announces {element_type.name} {list(shape)}, {header_bytes + announced} "
            f"bytes in all, but it has {found}. Fetch the file again."
        )
    try:
        array = np.frombuffer(elements, element_type).reshape(shape)
    except ValueError as error:  # no elements, and dimensions whose product is beyond NumPy
        raise IdxError(f"{path}: no array of shape {list(shape)} can be made: {error}") from error
    return array.astype(element_type.newbyteorder("="), copy=False)


def _read_header(path: Path, content: BufferedReader | gzip.GzipFile) -> tuple[np.dtype[Any], tuple[int, ...]]:
    head = content.read(4)
    if not head:
        raise IdxError(f"{path}: is empty. Fetch the file again.")
    if len(head) < 4:
        raise IdxError(f"{path}: {len(head)} bytes, too short for an IDX file. Fetch the file again.")
    if head[:2] != b"\x00\x00":
        raise IdxError(f"{path}: no IDX file: it begins with {head.hex(' ')}, not with 00 00. Check the name.")
    if not is_idx(head):
        known = ", ".join(f"0x{code:02X} {np.dtype(kind).name}" for code, kind in ELEMENT_TYPES.items())
        raise IdxError(f"{path}: no IDX file: element type 0x{head[2]:02X} is none of {known}. Check the name.")
    dimensions = head[3]
    if dimensions > _MOST_DIMENSIONS:
        raise IdxError(f"{path}: no usable IDX file: its header announces {dimensions} dimensions. Check the name.")
    sizes = content.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise IdxError(
            f"{path}: truncated: {4 + len(sizes)} bytes, not even the {4 + 4 * dimensions} bytes of its header. "
            "Fetch the file again."
        )
    return np.dtype(f">{ELEMENT_TYPES[head[2]]}"), struct.unpack(f">{dimensions}I", sizes)
