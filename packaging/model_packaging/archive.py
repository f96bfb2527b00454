"""Writes a package into one file: the same files give the same bytes, wherever and whenever that is done."""

from __future__ import annotations

import filecmp
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from model_packaging.archive_facts import about_package
from model_packaging.archive_files import Collection, FoundFile, collect
from model_packaging.package_name import ARCHIVE_SUFFIX, package_name
from model_service.errors import PackageError, SettingsError
from model_service.package.archive import ArchiveRefused
from model_service.package.archive_frame import (
    GZIP_HEADER,
    ending,
    file_header,
    padding,
    seal,
)
from model_service.package.layout import PackageLayout, find_package
from model_service.package.manifest import (
    MANIFEST_NAME,
    ArchivedFile,
    Manifest,
    ManifestError,
    check_ratio,
    make_manifest,
)

_LEVEL = 6
_CHUNK_BYTES = 1 << 20
_LARGE_BYTES = 1 << 26  # from here on progress is shown

OnBytes = Callable[[int], object]


@dataclass(frozen=True)
class WrittenArchive:
    """What was written.

    Attributes:
        path: the archive.
        manifest: what it holds.
        contents_sha256: digest of its ``manifest.json``.
        size_bytes: of the archive.
        left_out: paths in ``model/`` that are no part of a package.
        is_new: False: the same file was there before.
    """

    path: Path
    manifest: Manifest
    contents_sha256: str
    size_bytes: int
    left_out: tuple[str, ...]
    is_new: bool


def write_archive(package: Path, output: Path | None = None, *, force: bool = False) -> WrittenArchive:
    """Write the archive of a package, whole or not at all.

    Args:
        package: as ``model-service serve`` takes it.
        output: the file to write; None: the package's name with ``.tar.gz``, here.
        force: whether another file may be replaced.

    Raises:
        PackageError: there is no package, or something in it cannot be archived.
        SettingsError: the output cannot be written.
    """
    if package.is_file():
        raise SettingsError(f"{package}: is a file; name the folder of a package")
    layout = find_package(package)
    path = output if output is not None else Path(f"{package_name(package, layout) or 'package'}{ARCHIVE_SUFFIX}")
    _check_output(path, layout)
    try:
        found = collect(layout.model_directory)
        total_bytes = sum(file.size_bytes for file in found.files)
        is_quiet = True if total_bytes < _LARGE_BYTES else None  # None: if nobody watches
        with tqdm(total=2 * total_bytes, unit="B", unit_scale=True, disable=is_quiet, desc=path.name) as progress:
            manifest = _manifest(layout, found, progress.update)
            return _write(manifest, found, path, force, progress.update)
    except ManifestError as error:
        raise PackageError(f"{package}: {error}") from error
    except OSError as error:
        raise SettingsError(f"{error.filename or path}: {error.strerror}; nothing was written") from error


def _check_output(path: Path, layout: PackageLayout) -> None:
    if path.is_dir():
        raise SettingsError(f"--output {path}: is a folder; name a file, such as {path / f'package{ARCHIVE_SUFFIX}'}")
    if path.exists() and not path.is_file():
        raise SettingsError(f"--output {path}: is no ordinary file")
    if not path.parent.is_dir():
        raise SettingsError(f"--output {path}: there is no folder {path.parent}")
    if path.resolve().is_relative_to(layout.model_directory):
        raise SettingsError(f"--output {path}: lies in the package; the archive would be a part of itself")


def _manifest(layout: PackageLayout, found: Collection, on_bytes: OnBytes) -> Manifest:
    files = [
        ArchivedFile(file.path, file.size_bytes, _digest(file, on_bytes), file.is_executable) for file in found.files
    ]
    return make_manifest(files, about_package(layout))


def _digest(file: FoundFile, on_bytes: OnBytes) -> str:
    digest = hashlib.sha256()
    for chunk in _content(file, on_bytes):
        digest.update(chunk)
    return digest.hexdigest()


def _content(file: FoundFile, on_bytes: OnBytes) -> Iterator[bytes]:
    """The content of a file in pieces; refuses one that changes meanwhile."""
    size = 0
    with file.source.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            size += len(chunk)
            on_bytes(len(chunk))
            yield chunk
    if size != file.size_bytes:
        raise _changed(file)


def _changed(file: FoundFile) -> ArchiveRefused:
    return ArchiveRefused(f"{file.source}: changes while it is archived; wait until nobody writes to the package")


def _write(manifest: Manifest, found: Collection, path: Path, force: bool, on_bytes: OnBytes) -> WrittenArchive:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    content = manifest.as_bytes()
    manifest_digest = hashlib.sha256(content)
    try:
        _write_file(unfinished, manifest, content, found, on_bytes)
        size_bytes = unfinished.stat().st_size
        check_ratio(manifest, size_bytes)
        is_new = not (path.exists() and filecmp.cmp(path, unfinished, shallow=False))
        if is_new and path.exists() and not force:
            raise SettingsError(f"--output {path}: is there already, and is another file; --force replaces it")
        if is_new:
            os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return WrittenArchive(path, manifest, manifest_digest.hexdigest(), size_bytes, found.left_out, is_new)


def _write_file(path: Path, manifest: Manifest, content: bytes, found: Collection, on_bytes: OnBytes) -> None:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in _gzip_member(_tar(manifest, content, found, on_bytes)):
            digest.update(piece)
            file.write(piece)
        file.write(seal(hashlib.sha256(content).digest(), digest.digest()))
        file.flush()
        os.fsync(file.fileno())


def _gzip_member(pieces: Iterator[bytes]) -> Iterator[bytes]:
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum = size_bytes = 0
    yield GZIP_HEADER
    for piece in pieces:
        checksum = zlib.crc32(piece, checksum)
        size_bytes += len(piece)
        yield deflate.compress(piece)
    yield deflate.flush()
    yield struct.pack("<II", checksum, size_bytes & 0xFFFFFFFF)


def _tar(manifest: Manifest, content: bytes, found: Collection, on_bytes: OnBytes) -> Iterator[bytes]:
    size_bytes = 0
    for piece in _tar_members(manifest, content, found, on_bytes):
        size_bytes += len(piece)
        yield piece
    yield ending(size_bytes)


def _tar_members(manifest: Manifest, content: bytes, found: Collection, on_bytes: OnBytes) -> Iterator[bytes]:
    yield file_header(MANIFEST_NAME, len(content), False)
    yield content
    yield padding(len(content))
    sources = {file.path: file for file in found.files}
    for entry in manifest.files:
        source = sources[entry.path]
        yield file_header(entry.path, entry.size_bytes, entry.is_executable)
        digest = hashlib.sha256()
        for chunk in _content(source, on_bytes):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != entry.sha256:
            raise _changed(source)
        yield padding(entry.size_bytes)
