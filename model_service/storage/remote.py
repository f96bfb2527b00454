"""Files by URL, through fsspec."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from model_service.errors import SettingsError
from model_service.storage.faults import StorageError, said_plainly
from model_service.storage.locations import OBS_SCHEME, S3_SCHEMES, fixed_folder, url_of
from model_service.storage.stored_file import StoredFile

# The first of these attributes that a storage has of a file: it changes when the file does.
_VERSION_KEYS = ("ETag", "etag", "md5Hash", "md5", "checksum", "CRC", "mtime", "LastModified", "last_modified")
_FILES_PER_UPLOAD = 1000
_ZIP_SCHEME = "zip://"
_OPEN_ARCHIVES = 4


def filesystem_of(location: str) -> tuple[Any, str]:
    """Find who reads a URL: an fsspec filesystem, and what it calls the file.

    Raises:
        SettingsError: nobody does, a library is missing, or nothing says where an ``obs://`` is.
        StorageError: the archive in a chain cannot be read.
    """
    url = "::".join(_as_s3(part) for part in location.split("::"))
    try:
        with said_plainly(location, "opened"):
            filesystem, path = _find_filesystem(url)
            endpoint = str(filesystem.connect().meta.endpoint_url) if location.startswith(OBS_SCHEME) else ""
    except StorageError as error:
        if not isinstance(error.__cause__, ImportError | ValueError):
            raise
        hint = "; pip install 'tf-model-service[s3]'" if any(scheme in url for scheme in S3_SCHEMES) else ""
        raise SettingsError(f"{location}: cannot be opened: {error.__cause__}{hint}") from error
    if endpoint.endswith(".amazonaws.com"):
        raise SettingsError(
            f"{location}: nothing says where this storage is: set AWS_ENDPOINT_URL, to https://obs.REGION.PROVIDER say"
        )
    return filesystem, path


def _find_filesystem(url: str) -> tuple[Any, str]:
    import fsspec

    if url.startswith(_ZIP_SCHEME) and "::" in url:
        name, _, archive = url.removeprefix(_ZIP_SCHEME).partition("::")
        return _open_archive(archive), name.lstrip("/")
    filesystem, path = fsspec.core.url_to_fs(url)
    return filesystem, path


@lru_cache(_OPEN_ARCHIVES)
def _open_archive(url: str) -> Any:
    """A zip archive, which several threads may read. fsspec would read its directory again for each file."""
    import fsspec

    return fsspec.core.url_to_fs(f"{_ZIP_SCHEME}::{url}")[0]


def _as_s3(part: str) -> str:
    return "s3://" + part.removeprefix(OBS_SCHEME) if part.startswith(OBS_SCHEME) else part


def find(location: str) -> Iterator[StoredFile]:
    """List the files below a URL, in the order of their relative names; hidden ones are left out.

    The descriptions of all files are held, 1 to 2 kB each.

    Raises:
        StorageError: it cannot be listed.
    """
    filesystem, root = filesystem_of(location)
    with said_plainly(location, "listed"):
        found: dict[str, dict[str, Any]] = filesystem.find(root, detail=True)
    return _in_order(location, root.rstrip("/") + "/" if root else "", found)


def glob(pattern: str) -> Iterator[StoredFile]:
    """List the files that match a URL with wildcards; see :func:`find`.

    Raises:
        StorageError: it cannot be listed.
    """
    filesystem, path = filesystem_of(pattern)
    with said_plainly(pattern, "listed"):
        found: dict[str, dict[str, Any]] = filesystem.glob(path, detail=True)
    return _in_order(pattern, fixed_folder(path), found)


def _in_order(location: str, base: str, found: dict[str, dict[str, Any]]) -> Iterator[StoredFile]:
    for path in sorted(found):
        name = path.removeprefix(base).lstrip("/")
        is_hidden = any(part.startswith(".") for part in name.split("/"))
        is_file = found[path].get("type") == "file" and name and not name.endswith("/")  # S3 marks folders so
        if is_file and not is_hidden:
            yield StoredFile(name, url_of(location, path), version_of(found[path]))


def version_of(info: dict[str, Any]) -> str:
    """Return what changes with a file, out of its description."""
    key = next((key for key in _VERSION_KEYS if key in info), None)
    return f"{info.get('size')} {info[key]}" if key else str(info.get("size"))


def upload_folder(folder: Path, location: str) -> None:
    """Copy what is in a local folder to a URL, but for what is hidden at its top.

    Raises:
        StorageError: it cannot be written.
    """
    filesystem, root = filesystem_of(location)
    files = _visible_files(folder)
    with said_plainly(location, "written"):
        while chunk := list(islice(files, _FILES_PER_UPLOAD)):
            targets = [f"{root.rstrip('/')}/{path.relative_to(folder).as_posix()}" for path in chunk]
            if not filesystem.async_impl:  # the others are object stores, which have no folders to make
                for parent in sorted({target.rpartition("/")[0] for target in targets}):
                    filesystem.makedirs(parent, exist_ok=True)
            filesystem.put(list(map(str, chunk)), targets)


def _visible_files(top: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(top):
        if Path(parent) == top:
            folders[:] = [name for name in folders if not name.startswith(".")]
            files = [name for name in files if not name.startswith(".")]
        yield from (Path(parent, name) for name in files)
