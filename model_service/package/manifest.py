"""``manifest.json``, the first file of an archive: what the others are, and what is known about the package."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from model_service.errors import PackageError
from model_service.package.layout import MODEL_FOLDER_NAME

MANIFEST_NAME = "manifest.json"
FORMAT = "model-service-package"
FORMAT_VERSION = 1

MAX_MANIFEST_BYTES = 32 << 20
MAX_FILES = 100_000
MAX_TOTAL_BYTES = 1 << 40
# What compresses better than this is taken for a bomb, unless it is small; deflate itself can reach 1032.
MAX_RATIO = 250
SMALL_BYTES = 1 << 30

_MAX_PATH_BYTES, _MAX_NAME_BYTES = 1024, 255
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ManifestError(PackageError):
    """A manifest cannot be used, or files cannot be put into one; the message starts with the place."""


@dataclass(frozen=True)
class ArchivedFile:
    """One file: its path, which starts with ``model/``, its size in bytes, its SHA-256 in 64 hexadecimal digits."""

    path: str
    size_bytes: int
    sha256: str
    is_executable: bool = False


@dataclass(frozen=True)
class Manifest:
    """What an archive holds, in the order in which it holds it.

    Attributes:
        files: sorted by the bytes of their paths.
        about: everything else that is known, by name; JSON values.
    """

    files: tuple[ArchivedFile, ...]
    about: Mapping[str, Any]

    @property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return sum(file.size_bytes for file in self.files)

    def as_bytes(self) -> bytes:
        """Return the file; equal manifests give equal bytes."""
        files = {file.path: _entry(file) for file in self.files}
        content = {**self.about, "format": FORMAT, "format_version": FORMAT_VERSION, "files": files}
        return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def _entry(file: ArchivedFile) -> dict[str, Any]:
    entry: dict[str, Any] = {"sha256": file.sha256, "size": file.size_bytes}
    return {**entry, "executable": True} if file.is_executable else entry


def make_manifest(files: Iterable[ArchivedFile], about: Mapping[str, Any]) -> Manifest:
    """Put a manifest together; keeps every rule that reading one demands.

    Raises:
        ManifestError: a path cannot be in an archive, or there is too much.
    """
    manifest = Manifest(tuple(sorted(files, key=lambda file: file.path.encode("utf-8", "surrogatepass"))), about)
    _check_amount(manifest)
    _check_paths(manifest)
    return manifest


def parse_manifest(content: bytes) -> Manifest:
    """Read a manifest; nothing in it is believed before it is checked.

    Raises:
        ManifestError: it is none, of another version, or demands what no archive may.
    """
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{MANIFEST_NAME}: not usable JSON: {error}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ManifestError(f"{MANIFEST_NAME}: is not that of a package")
    if value.get("format_version") != FORMAT_VERSION:
        raise ManifestError(
            f"{MANIFEST_NAME}: has format version {str(value.get('format_version'))[:20]}, and this software reads "
            f"{FORMAT_VERSION}; install a newer tf-model-service"
        )
    files = value.get("files")
    if not isinstance(files, dict):
        raise ManifestError(f"{MANIFEST_NAME}: lists no files")
    about = {key: each for key, each in value.items() if key not in _OWN_KEYS}
    return make_manifest((_parse_file(path, entry) for path, entry in files.items()), about)


_OWN_KEYS = frozenset({"format", "format_version", "files"})


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _parse_file(path: str, entry: object) -> ArchivedFile:
    if isinstance(entry, dict):
        size, digest, executable = entry.get("size"), entry.get("sha256"), entry.get("executable", False)
        is_digest = isinstance(digest, str) and _DIGEST.fullmatch(digest)
        if type(size) is int and size >= 0 and is_digest and isinstance(executable, bool):
            return ArchivedFile(path, size, str(digest), executable)
    raise ManifestError(f"{shown(path)}: {MANIFEST_NAME} must give its size and sha256")


def _check_amount(manifest: Manifest) -> None:
    if len(manifest.files) > MAX_FILES:
        raise ManifestError(f"{MANIFEST_NAME}: {len(manifest.files):,} files; an archive may have {MAX_FILES:,}")
    if manifest.total_bytes > MAX_TOTAL_BYTES:
        raise ManifestError(
            f"{MANIFEST_NAME}: {manifest.total_bytes:,} bytes in all; an archive may have {MAX_TOTAL_BYTES:,}"
        )


def check_ratio(manifest: Manifest, archive_bytes: int) -> None:
    """Refuse what is far larger than its archive.

    Raises:
        ManifestError: it is taken for a bomb.
    """
    if manifest.total_bytes > max(SMALL_BYTES, archive_bytes * MAX_RATIO):
        raise ManifestError(
            f"{MANIFEST_NAME}: {manifest.total_bytes:,} bytes would come out of {archive_bytes:,}, more than "
            f"{MAX_RATIO} for each; that is taken for an attack. Pass such a package on as a folder."
        )


def _check_paths(manifest: Manifest) -> None:
    files = {file.path for file in manifest.files}
    clashing: dict[str, str] = {}
    for path in (file.path for file in manifest.files):
        _check_path(path)
        for part in (*map(str, PurePosixPath(path).parents), path):
            other = clashing.setdefault(unicodedata.normalize("NFC", part).casefold(), part)
            if other != part:
                raise ManifestError(f"{shown(path)}: is the same as {shown(other)} where case does not count")
    for path in files:
        for parent in map(str, PurePosixPath(path).parents):
            if parent in files:
                raise ManifestError(f"{shown(path)}: lies in {shown(parent)}, which is a file")


def _check_path(path: str) -> None:
    parts = path.split("/")
    if parts[0] != MODEL_FOLDER_NAME or len(parts) < 2 or {"", ".", ".."} & set(parts):
        raise ManifestError(f"{shown(path)}: does not lie in {MODEL_FOLDER_NAME}/; it would leave the package")
    try:
        sizes = [len(part.encode("utf-8")) for part in parts]
    except UnicodeEncodeError as error:
        raise ManifestError(f"{shown(path)}: its name is not UTF-8; rename it") from error
    if _UNFIT.search(path):
        raise ManifestError(f"{shown(path)}: its name has a backslash or a control character; rename it")
    if max(sizes) > _MAX_NAME_BYTES or sum(sizes) + len(parts) > _MAX_PATH_BYTES:
        raise ManifestError(f"{shown(path)}: its name is too long")


def shown(path: str) -> str:
    """A path as messages show it: whatever it holds, it is short and on one line."""
    text = path if path.isprintable() else ascii(path)
    return text if len(text) <= 200 else f"{text[:200]}..."
