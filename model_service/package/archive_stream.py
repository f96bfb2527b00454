"""The compressed part of an archive, unpacked piece by piece: no more than was asked for, whatever is in it."""

from __future__ import annotations

import hashlib
import zlib
from typing import BinaryIO

_CHUNK_BYTES = 1 << 16


class Damaged(Exception):
    """The bytes of an archive are not those that must come next; the text says what is there instead."""


class TarStream:
    """The tar in the first ``end`` bytes of an archive, read forwards.

    Attributes:
        read_bytes: how much of the tar has been read.
    """

    def __init__(self, file: BinaryIO, end: int):
        self.read_bytes = 0
        self._file = file
        self._left_bytes = end
        self._digest = hashlib.sha256()
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def sha256(self) -> bytes:
        """The digest of all compressed bytes, once :meth:`finish` has been called."""
        return self._digest.digest()

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes.

        Raises:
            Damaged: there are fewer, or what is there is no deflate stream.
        """
        parts = []
        wanted = size
        while wanted:
            part = self._some(wanted)
            wanted -= len(part)
            parts.append(part)
        self.read_bytes += size
        return b"".join(parts)

    def finish(self) -> None:
        """Read what gzip has at its end, and find nothing after it.

        Raises:
            Damaged: there is more.
        """
        while not self._inflate.eof:
            if self._some(1, is_end=True):
                raise Damaged("there is more in it than was written")
        if self._inflate.unused_data or self._left_bytes:
            raise Damaged("there is more in it than was written")

    def _some(self, most: int, is_end: bool = False) -> bytes:
        while not self._inflate.eof:
            content = self._inflate.unconsumed_tail or self._chunk()
            try:
                part = self._inflate.decompress(content, most)
            except zlib.error as error:
                raise Damaged("its compressed bytes make no sense") from error
            if part:
                return part
            if not content and not self._inflate.eof:
                break
        if is_end and self._inflate.eof:
            return b""
        raise Damaged("its end is missing")

    def _chunk(self) -> bytes:
        chunk = self._file.read(min(_CHUNK_BYTES, self._left_bytes))
        self._left_bytes -= len(chunk)
        self._digest.update(chunk)
        return chunk
