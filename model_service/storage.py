"""Files by path or URL: local ones with the standard library, all others through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from model_service.errors import ModelServiceError, SettingsError

# Whatever libraries behind fsspec raise, these attributes of a file's description change when the file does.
_VERSION_KEYS = ("ETag", "etag", "md5Hash", "md5", "checksum", "mtime", "LastModified", "last_modified", "CRC")
_OBS_SCHEME = "obs://"


class StorageError(ModelServiceError):
    """A file or folder cannot be read or written; the message says which and why."""


@dataclass(frozen=True)
class StoredFile:
    """A file in a listing.

    Attributes:
        name: path relative to what was listed, with ``/``.
        location: where to open it: a path or a URL.
        version: changes when the file's content does (size and time of change, or the storage's own tag).
    """

    name: str
    location: str
    version: str


def is_url(location: str) -> bool:
    """Whether a location is for fsspec: it has a scheme, or a chain of them."""
    return "://" in location or "::" in location


def list_files(location: str) -> Iterator[StoredFile]:
    """List the files below a folder, in the order of their relative names; hidden ones are left out.

    Raises:
        StorageError: the folder cannot be read.
    """
    if is_url(location):
        yield from _list_remote(location)
        return
    try:
        yield from _walk(Path(location), "", ())
    except OSError as error:
        raise StorageError(f"{error.filename}: cannot be listed: {error.strerror}") from error


def _walk(folder: Path, prefix: str, ancestors: tuple[tuple[int, int], ...]) -> Iterator[StoredFile]:
    """Depth first; a folder sorts as if its name ended with a slash, which is the order of the relative names."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in ancestors:  # a link back up
        return
    with os.scandir(folder) as scan:
        entries = sorted((entry.name + ("/" if entry.is_dir() else ""), entry) for entry in scan)
    for name, entry in entries:
        if name.startswith("."):
            continue
        if name.endswith("/"):
            yield from _walk(folder / entry.name, prefix + name, (*ancestors, here))
        elif entry.is_file() or entry.is_symlink():  # a broken link is listed: that it cannot be read must be said
            yield StoredFile(prefix + name, entry.path, _local_version(entry))


def _local_version(path: os.DirEntry[str] | Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}"


def _list_remote(location: str) -> Iterator[StoredFile]:
    filesystem, root = _filesystem(location)
    with _said_plainly(location, "listed"):
        found: dict[str, dict[str, Any]] = filesystem.find(root, detail=True)
    base = root.rstrip("/") + "/" if root else ""
    for path in sorted(found):
        name = path.removeprefix(base).lstrip("/")
        if not any(part.startswith(".") for part in name.split("/")):
            yield StoredFile(name, _url_of(filesystem, location, path), _remote_version(found[path]))


def _url_of(filesystem: Any, location: str, path: str) -> str:
    """The URL of a file found below ``location``; in a chain only the innermost part names the file."""
    head, separator, rest = location.partition("::")
    if separator:
        return f"{head.partition('://')[0]}://{path}::{rest}"
    return str(filesystem.unstrip_protocol(path)) if not location.startswith(_OBS_SCHEME) else f"{_OBS_SCHEME}{path}"


def _remote_version(info: dict[str, Any]) -> str:
    return " ".join([str(info.get("size")), *(f"{key}={info[key]}" for key in _VERSION_KEYS if key in info)])


def is_folder(location: str) -> bool:
    """Whether a location is a folder.

    Raises:
        StorageError: the storage cannot be asked.
    """
    if not is_url(location):
        return Path(location).is_dir()
    filesystem, path = _filesystem(location)
    with _said_plainly(location, "read"):
        return bool(filesystem.isdir(path))


def expand_glob(pattern: str) -> Iterator[StoredFile]:
    """List the files that match a pattern, in the order of their names; ``**`` is any number of folders.

    Names are relative to the folder above the pattern's first wildcard.

    Raises:
        StorageError: the storage cannot be read.
    """
    import fsspec

    filesystem, path = (
        _filesystem(pattern) if is_url(pattern) else (fsspec.filesystem("file"), os.path.abspath(pattern))
    )
    fixed = path[: min(path.find(sign) for sign in "*?[" if sign in path)]
    base = fixed[: fixed.rfind("/") + 1]
    with _said_plainly(pattern, "listed"):
        found: dict[str, dict[str, Any]] = filesystem.glob(path, detail=True)
    for name in sorted(found):
        if found[name].get("type") == "file" or found[name].get("islink"):
            location = _url_of(filesystem, pattern, name) if is_url(pattern) else name
            version = _remote_version(found[name]) if is_url(pattern) else _local_version(Path(name))
            yield StoredFile(name.removeprefix(base), location, version)


def has_wildcard(location: str) -> bool:
    """Whether a location is a pattern. A local file that is really called so is no pattern."""
    return any(sign in location for sign in "*?[") and (is_url(location) or not os.path.lexists(location))


def describe_file(location: str) -> StoredFile:
    """Look at one file.

    Raises:
        StorageError: it is absent or cannot be read.
    """
    name = location.partition("::")[0].rstrip("/").rsplit("/", 1)[-1]
    if not is_url(location):
        if not Path(location).is_file():
            raise StorageError(f"{location}: no such file")
        return StoredFile(name, location, _local_version(Path(location)))
    filesystem, path = _filesystem(location)
    with _said_plainly(location, "read"):
        return StoredFile(name, location, _remote_version(filesystem.info(path)))


@contextmanager
def open_file(location: str) -> Iterator[BinaryIO]:
    """Open a file for reading bytes.

    Raises:
        StorageError: it cannot be opened.
    """
    if not is_url(location):
        try:
            opened: BinaryIO = open(location, "rb")  # noqa: SIM115 - closed below
        except OSError as error:
            raise StorageError(f"{location}: cannot be read: {error.strerror}") from error
    else:
        filesystem, path = _filesystem(location)
        with _said_plainly(location, "read"):
            opened = filesystem.open(path, "rb")
    with opened:
        yield opened


def read_whole(location: str, max_bytes: int) -> bytes:
    """Read a file.

    Raises:
        StorageError: it cannot be read, or holds more than ``max_bytes``.
    """
    with open_file(location) as file, _said_plainly(location, "read"):
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise StorageError(f"{location}: larger than {max_bytes} bytes")
    return content


def upload_folder(folder: Path, location: str) -> None:
    """Copy everything in a local folder to a URL.

    Raises:
        StorageError: it cannot be written.
    """
    filesystem, root = _filesystem(location)
    with _said_plainly(location, "written"):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target = f"{root.rstrip('/')}/{path.relative_to(folder).as_posix()}"
                filesystem.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
                filesystem.put_file(str(path), target)


def _filesystem(location: str) -> tuple[Any, str]:
    """Find who reads a URL. ``obs://`` is S3 with an endpoint of its own."""
    import fsspec

    url = "s3://" + location.removeprefix(_OBS_SCHEME) if location.startswith(_OBS_SCHEME) else location
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        hint = "; pip install 'tf-model-service[s3]'" if url.startswith("s3://") else ""
        raise SettingsError(f"{location}: cannot be opened: {error}{hint}") from error
    return filesystem, path


@contextmanager
def _said_plainly(location: str, deed: str) -> Iterator[None]:
    """Name the location in whatever a storage library raises; each has errors of its own."""
    try:
        yield
    except ModelServiceError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise StorageError(f"{location}: cannot be {deed}: {reason}") from error
