"""The bytes around the files of an archive: gzip's header, tar's headers, and the seal at the end.

Writing and reading share them, and reading compares them byte by byte. So they are made here and not by a library,
whose choices may differ from one version to the next.

An archive is a gzip file of two members. The first holds the tar. The second, the seal, holds nothing but an extra
field with two SHA-256 digests: of ``manifest.json``, and of every byte of the first member. Tools that know nothing of
it unpack the archive as any other ``.tar.gz``.
"""

from __future__ import annotations

import struct

BLOCK_BYTES = 512
RECORD_BYTES = 20 * BLOCK_BYTES
GZIP_HEADER = bytes.fromhex("1f8b 08 00 00000000 00 ff")  # deflate, no name, no time, no system

_SEAL_HEADER = bytes.fromhex("1f8b 08 04 00000000 00 ff")  # the same with an extra field
_SEAL_FIELD = struct.Struct("<H2sH")  # length of the extra field; a subfield's name and length
_SEAL_NAME = b"MS"
_DIGEST_BYTES = 32
_EMPTY_DEFLATE = bytes.fromhex("0300 00000000 00000000")  # a last block without content, CRC and length of nothing
SEAL_BYTES = len(_SEAL_HEADER) + _SEAL_FIELD.size + 2 * _DIGEST_BYTES + len(_EMPTY_DEFLATE)

_FILE_TYPE, _EXTENDED_TYPE = b"0", b"x"
_EXTENDED_NAME = b"././@PaxHeader"
_NAME_BYTES = 100
_MOST_OCTAL = 8**11 - 1
_FILE_MODE, _EXECUTABLE_MODE = 0o644, 0o755


def file_header(path: str, size_bytes: int, is_executable: bool) -> bytes:
    """Return the tar blocks that stand before the content of a file; owner and times are zero."""
    mode = _EXECUTABLE_MODE if is_executable else _FILE_MODE
    return _header(path, size_bytes, mode)


def padding(size_bytes: int) -> bytes:
    """Return what follows so many bytes of content up to the next block."""
    return bytes(-size_bytes % BLOCK_BYTES)


def ending(tar_bytes: int) -> bytes:
    """Return the end of a tar of so many bytes: two empty blocks, and more up to a whole record."""
    return bytes(2 * BLOCK_BYTES + -(tar_bytes + 2 * BLOCK_BYTES) % RECORD_BYTES)


def seal(manifest_sha256: bytes, member_sha256: bytes) -> bytes:
    """Return the seal of two digests of 32 bytes each; always :data:`SEAL_BYTES` long."""
    digests = manifest_sha256 + member_sha256
    field = _SEAL_FIELD.pack(4 + len(digests), _SEAL_NAME, len(digests))
    return _SEAL_HEADER + field + digests + _EMPTY_DEFLATE


def sealed_digests(content: bytes) -> tuple[bytes, bytes] | None:
    """Return the two digests of a seal; None if the bytes are not one."""
    start = len(_SEAL_HEADER) + _SEAL_FIELD.size
    manifest = content[start : start + _DIGEST_BYTES]
    member = content[start + _DIGEST_BYTES : start + 2 * _DIGEST_BYTES]
    return (manifest, member) if seal(manifest, member) == content else None


def _header(path: str, size_bytes: int, mode: int) -> bytes:
    """A POSIX header; what its fixed fields cannot say stands in an extended one before it."""
    name = path.encode("utf-8")
    records = b""
    if len(name) > _NAME_BYTES or not name.isascii():
        records += _record(b"path", name)
        name = path.encode("ascii", "replace")[:_NAME_BYTES]
    if size_bytes > _MOST_OCTAL:
        records += _record(b"size", str(size_bytes).encode("ascii"))
    block = _block(name, 0 if size_bytes > _MOST_OCTAL else size_bytes, mode, _FILE_TYPE)
    if not records:
        return block
    return _block(_EXTENDED_NAME, len(records), _FILE_MODE, _EXTENDED_TYPE) + records + padding(len(records)) + block


def _record(key: bytes, value: bytes) -> bytes:
    """``length key=value``, where the length counts itself."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode("ascii") + rest


def _block(name: bytes, size_bytes: int, mode: int, kind: bytes) -> bytes:
    fields = [
        name.ljust(_NAME_BYTES, b"\0"),
        b"%07o\0" % mode,
        b"%07o\0" % 0,  # user
        b"%07o\0" % 0,  # group
        b"%011o\0" % size_bytes,
        b"%011o\0" % 0,  # time
        b" " * 8,  # the checksum counts as blanks
        kind,
        bytes(100),
        b"ustar\0" + b"00",
    ]
    block = b"".join(fields).ljust(BLOCK_BYTES, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
