"""Reading a package's archive: every byte is checked while it is read, and nothing half-read is left behind.

The order of an archive is fixed: ``manifest.json``, then the files it lists, sorted. So nothing in an archive is
followed or believed: each header is compared with the one that must come next.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from model_service.errors import PackageError
from model_service.package.archive_frame import (
    BLOCK_BYTES,
    GZIP_HEADER,
    SEAL_BYTES,
    ending,
    file_header,
    padding,
    sealed_digests,
)
from model_service.package.archive_stream import Damaged, TarStream
from model_service.package.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    ArchivedFile,
    Manifest,
    ManifestError,
    check_ratio,
    parse_manifest,
    shown,
)

_CHUNK_BYTES = 1 << 16
_TAR_MAGIC_PLACE = 257
_END = "the end"

Write = Callable[[bytes], object]


class ArchiveRefused(PackageError):
    """A file is no archive of a package, or is not as it was written."""


@dataclass(frozen=True)
class ReadArchive:
    """An archive that was read whole and is as it was written.

    Attributes:
        contents_sha256: digest of ``manifest.json``, thus of all files; the same for every compression of them.
        size_bytes: of the archive.
    """

    manifest: Manifest
    contents_sha256: str
    size_bytes: int


@contextmanager
def opened_package(package: Path) -> Iterator[Path]:
    """The folder of a package; an archive is unpacked into a private folder, which is removed at the end.

    Raises:
        PackageError: an archive cannot be used.
    """
    if not os.path.isfile(package):
        yield package
        return
    with tempfile.TemporaryDirectory(prefix="model-service-package-", ignore_cleanup_errors=True) as folder:
        yield unpack(package, Path(folder) / "package")


def unpacked_package(package: Path, folder: Path) -> Path:
    """Return the folder of a package; an archive is unpacked into ``folder``, which is made.

    Raises:
        PackageError: an archive cannot be used.
    """
    return unpack(package, folder) if os.path.isfile(package) else package


def verify(archive: Path) -> ReadArchive:
    """Read an archive and write nothing.

    Raises:
        ArchiveRefused: see :func:`unpack`.
    """
    try:
        with archive.open("rb") as file:
            return read_archive(file, archive, Target())
    except OSError as error:
        raise ArchiveRefused(f"{archive}: cannot be read: {error.strerror}") from error


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack an archive into ``folder``, which must not exist; it then holds ``manifest.json`` and ``model/``.

    Returns:
        ``folder``.

    Raises:
        ArchiveRefused: it is no archive of a package, or is not as it was written; the message names the first file
            that is not. Nothing is left of ``folder``.
    """
    try:
        folder.mkdir(parents=True, mode=0o700)
        try:
            with archive.open("rb") as file:
                read_archive(file, archive, _Folder(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise ArchiveRefused(
            f"{archive}: cannot be unpacked: {error.filename or folder}: {error.strerror}. "
            "Where temporary files go is said by the environment variable TMPDIR."
        ) from error
    return folder


class Target:
    """Where the files of an archive go; this one keeps nothing."""

    def prepare(self, manifest: Manifest) -> None:
        """Nothing has to be prepared."""

    @contextmanager
    def writing(self, path: str, is_executable: bool) -> Iterator[Write]:
        """Drop the content."""
        yield len


class _Folder(Target):
    """Writes what is read below a folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    def prepare(self, manifest: Manifest) -> None:
        """Refuse what does not fit on the disk before any of it is there."""
        free_bytes = shutil.disk_usage(self._folder).free
        if manifest.total_bytes > free_bytes:
            raise ManifestError(
                f"{manifest.total_bytes:,} bytes do not fit into {self._folder.parent}, where {free_bytes:,} are free; "
                "name a larger disk in the environment variable TMPDIR"
            )

    @contextmanager
    def writing(self, path: str, is_executable: bool) -> Iterator[Write]:
        """Write a file that is not there yet."""
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if is_executable else 0o666)
        with open(descriptor, "wb") as file:
            yield file.write


def read_archive(file: BinaryIO, archive: Path, target: Target) -> ReadArchive:
    """Read an archive that can be sought in, and hand its files to ``target``.

    Raises:
        ArchiveRefused: it is not as it was written; ``archive`` is its name in messages.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    digests = _read_seal(file, size_bytes, archive)
    stream = TarStream(file, size_bytes - SEAL_BYTES)
    place = MANIFEST_NAME
    try:
        content = _read_manifest(stream, digests[0])
        manifest = parse_manifest(content)
        check_ratio(manifest, size_bytes)
        target.prepare(manifest)
        with target.writing(MANIFEST_NAME, False) as write:
            write(content)
        for entry in manifest.files:
            place = entry.path
            _read_file(stream, entry, target)
        place = _END
        _expect(stream, ending(stream.read_bytes), _END)
        stream.finish()
    except Damaged as error:
        raise ArchiveRefused(f"{archive}: {_changed(place)}: {error}") from error
    except ManifestError as error:
        raise ArchiveRefused(f"{archive}: {error}") from error
    if stream.sha256 != digests[1]:
        raise ArchiveRefused(f"{archive}: {_changed(_END)}: its bytes are not those that were written")
    return ReadArchive(manifest, digests[0].hex(), size_bytes)


def _changed(place: str) -> str:
    return "has been changed or damaged" if place == _END else f"{place} has been changed or damaged"


def _read_seal(file: BinaryIO, size_bytes: int, archive: Path) -> tuple[bytes, bytes]:
    file.seek(max(size_bytes - SEAL_BYTES, 0))
    digests = sealed_digests(file.read(SEAL_BYTES))
    file.seek(0)
    start = file.read(BLOCK_BYTES)
    file.seek(0)
    if digests is not None and start.startswith(GZIP_HEADER):
        return digests
    advice = "Unpack it and name the folder that holds model/."
    if start.startswith(GZIP_HEADER) or digests is not None:
        part = "end" if digests is None else "beginning"
        raise ArchiveRefused(
            f"{archive}: has been changed or damaged: its {part} is not that of an archive by model-service package "
            f"archive. If it was made by something else: {advice[0].lower()}{advice[1:]}"
        )
    if start.startswith(b"\x1f\x8b"):
        raise ArchiveRefused(f"{archive}: was not made by model-service package archive. {advice}")
    if start.startswith(b"PK"):
        raise ArchiveRefused(f"{archive}: a zip file is not taken. {advice}")
    if start[_TAR_MAGIC_PLACE:].startswith(b"ustar"):
        raise ArchiveRefused(f"{archive}: a plain tar file is not taken. {advice}")
    raise ArchiveRefused(
        f"{archive}: not a folder, and no archive by model-service package archive. "
        "Name the folder that holds model/, or model/ itself."
    )


def _read_manifest(stream: TarStream, sha256: bytes) -> bytes:
    header = stream.read(BLOCK_BYTES)
    try:
        size = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape").size
    except tarfile.HeaderError:
        size = -1
    if not 0 <= size <= MAX_MANIFEST_BYTES or header != file_header(MANIFEST_NAME, size, False):
        raise Damaged(f"it must come first, and there is {_described(header)}")
    content = stream.read(size)
    if hashlib.sha256(content).digest() != sha256:
        raise Damaged("its digest is another")
    _skip_padding(stream, size)
    return content


def _read_file(stream: TarStream, entry: ArchivedFile, target: Target) -> None:
    _expect(stream, file_header(entry.path, entry.size_bytes, entry.is_executable), entry.path)
    digest = hashlib.sha256()
    left = entry.size_bytes
    with target.writing(entry.path, entry.is_executable) as write:
        while left:
            content = stream.read(min(_CHUNK_BYTES, left))
            left -= len(content)
            digest.update(content)
            write(content)
    if digest.hexdigest() != entry.sha256:
        raise Damaged(f"its digest is not the one in {MANIFEST_NAME}")
    _skip_padding(stream, entry.size_bytes)


def _skip_padding(stream: TarStream, size: int) -> None:
    wanted = padding(size)
    if stream.read(len(wanted)) != wanted:
        raise Damaged("there is something behind its content")


def _expect(stream: TarStream, wanted: bytes, place: str) -> None:
    found = stream.read(len(wanted))
    if found != wanted:
        raise Damaged(f"{'after the last file' if place == _END else 'in its place'} there is {_described(found)}")


def _described(blocks: bytes) -> str:
    """What a tar header announces that should not be there."""
    header = blocks[:BLOCK_BYTES]
    if not any(header):
        return "the end"
    try:
        found = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return "something that is no header of a file"
    if found.issym() or found.islnk():
        return f"{shown(found.name)}, a link to {shown(found.linkname)}"
    if found.isdir():
        return f"the folder {shown(found.name)}"
    return f"{shown(found.name)}{'' if found.isreg() else ', a device or other special file'}"
