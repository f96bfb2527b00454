"""TFRecord files: records, each with its length and checksums."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), lowest bit first
_MASK = 0xA282EAD8


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_entry, range(256)))


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Write a TFRecord file, not compressed.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        for record in records:
            length = struct.pack("<Q", len(record))
            file.write(length + _checksum(length) + record + _checksum(record))


def _checksum(content: bytes) -> bytes:
    """The CRC-32C, rotated and shifted as the format wants it: a record may hold checksums itself."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF)
