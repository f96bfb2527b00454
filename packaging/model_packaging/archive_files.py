"""Which files of a folder ``model/`` go into an archive."""

from __future__ import annotations

import fnmatch
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_service.errors import PackageError
from model_service.package.layout import MODEL_FOLDER_NAME

# What Python, version control, editors and file managers leave behind; never part of a package.
LEFT_OUT = (
    "__pycache__",
    ".git",
    ".hg",
    ".svn",
    ".idea",
    ".vscode",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".DS_Store",
    "Thumbs.db",
    "*~",
    ".*.sw[a-p]",
    "#*#",
    ".#*",
    ".nfs*",
)
_EXECUTABLE = 0o100


@dataclass(frozen=True)
class FoundFile:
    """A file to archive.

    Attributes:
        path: in the archive; starts with ``model/``.
        source: where its content is.
    """

    path: str
    source: Path
    size_bytes: int
    is_executable: bool


@dataclass(frozen=True)
class Collection:
    """What was found in a folder: what is archived, and the paths of what is not."""

    files: tuple[FoundFile, ...]
    left_out: tuple[str, ...]


def collect(model_directory: Path, *, lenient: bool = False) -> Collection:
    """Find the files of a package. A link to something within it counts as what it leads to.

    Folders without files do not count: object storage does not know them either.

    Args:
        model_directory: the folder.
        lenient: follow links that lead out, and count among what is left out whatever else cannot be archived.

    Raises:
        PackageError: there is something that cannot be archived; the message names it.
        OSError: a folder cannot be read.
    """
    files: list[FoundFile] = []
    left_out: list[str] = []
    root = model_directory.resolve()
    for path, source in _walk(root, MODEL_FOLDER_NAME, _Bounds(root, lenient), (), left_out):
        status = source.stat()
        if not stat.S_ISREG(status.st_mode):
            if lenient:
                left_out.append(path)
                continue
            raise PackageError(f"{source}: is no ordinary file (a socket, pipe or device); remove it from the package")
        files.append(FoundFile(path, source, status.st_size, bool(status.st_mode & _EXECUTABLE)))
    return Collection(tuple(files), tuple(left_out))


@dataclass(frozen=True)
class _Bounds:
    """Where links may lead: below ``root``, or anywhere."""

    root: Path
    are_open: bool


def _walk(
    folder: Path, path: str, bounds: _Bounds, ancestors: tuple[Path, ...], left_out: list[str]
) -> Iterator[tuple[str, Path]]:
    """Everything below a folder that is no folder itself."""
    for entry in sorted(folder.iterdir()):
        below = f"{path}/{entry.name}"
        if any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in LEFT_OUT):
            left_out.append(below)
            continue
        try:
            source = _target(entry, bounds)
            if source in (*ancestors, folder):
                raise PackageError(f"{entry}: links back to {source}, a folder it lies in; remove the link")
        except PackageError:
            if not bounds.are_open:
                raise
            left_out.append(below)
            continue
        if source.is_dir():
            yield from _walk(source, below, bounds, (*ancestors, folder), left_out)
        else:
            yield below, source


def _target(entry: Path, bounds: _Bounds) -> Path:
    """What an entry leads to, if it is a link; itself otherwise."""
    if not entry.is_symlink():
        return entry
    try:
        target = entry.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop, on Python 3.10 to 3.12
        raise PackageError(f"{entry}: is a link that leads nowhere; remove it, or put the file in its place") from error
    if not bounds.are_open and not target.is_relative_to(bounds.root):
        raise PackageError(f"{entry}: is a link to {target}, which is not in the package; put a copy in its place")
    return target
