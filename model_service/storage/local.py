"""Files of this machine."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator

from model_service.errors import SettingsError
from model_service.storage.faults import StorageError
from model_service.storage.locations import fixed_folder
from model_service.storage.stored_file import StoredFile


def walk(top: str, max_depth: int | None = None) -> Iterator[StoredFile]:
    """List the files below a folder, in the order of their relative names; hidden ones are left out.

    Links are followed, but not back up. What is no regular file (a pipe, say) is left out; a broken link is not: that
    it cannot be read must be said. The names in one folder at a time are held, some 100 bytes each.

    Args:
        top: the folder.
        max_depth: 1 for the folder's own files only; None: no limit.

    Raises:
        StorageError: a folder cannot be read.
    """
    try:
        levels = [_FolderLevel(top, "")]  # no recursion: folders nest as deep as paths are long
        while levels:
            level = levels[-1]
            if not level.names:
                levels.pop()
                continue
            name = level.names.pop()
            path = os.path.join(level.path, name)
            if not name.endswith("/"):
                yield StoredFile(level.prefix + name, path, version_of(path))
            elif max_depth is None or len(levels) < max_depth:
                below = _FolderLevel(path, level.prefix + name)
                if all(below.identity != above.identity for above in levels):
                    levels.append(below)
    except OSError as error:
        raise StorageError(f"{error.filename or top}: cannot be listed: {error.strerror}") from error


class _FolderLevel:
    """A folder that is being listed: the names still to come, last one first; those of folders end with a slash.

    With the slash a folder sorts as its contents do among all relative names.
    """

    def __init__(self, path: str, prefix: str):
        self.path = path
        self.prefix = prefix
        status = os.stat(path)
        self.identity = (status.st_dev, status.st_ino)
        with os.scandir(path) as entries:
            found = (_listed_name(entry) for entry in entries if not entry.name.startswith("."))
            self.names = sorted((name for name in found if name), reverse=True)


def _listed_name(entry: os.DirEntry[str]) -> str:
    """The name as :class:`_FolderLevel` keeps it; "" for what is neither a file nor a folder."""
    try:
        if entry.is_dir():
            return f"{entry.name}/"
        is_broken = entry.is_symlink() and not os.path.exists(entry.path)
        return entry.name if entry.is_file() or is_broken else ""
    except OSError:  # a link to itself, or to where we may not look
        return entry.name


def version_of(path: str) -> str:
    """Return what changes with a file: its size and its time of change in nanoseconds."""
    try:
        status = os.stat(path)
    except OSError:
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns}"


def glob(pattern: str) -> Iterator[StoredFile]:
    """List the files that match a pattern; see :func:`walk`.

    Raises:
        StorageError: a folder cannot be read.
        SettingsError: it is no pattern.
    """
    from fsspec.utils import glob_translate

    absolute = os.path.abspath(pattern)
    base = fixed_folder(absolute)
    below = absolute.removeprefix(base)
    try:
        is_match = re.compile(glob_translate(below)).match
    except (ValueError, re.error) as error:
        raise SettingsError(f"{pattern}: cannot be used as a pattern: {error}") from error
    max_depth = None if "**" in below else below.count("/") + 1
    return (file for file in walk(base, max_depth) if is_match(file.name))


def open_regular(path: str) -> io.FileIO:
    """Open a file for reading, without a buffer.

    Raises:
        StorageError: it is no regular file.
        OSError: it cannot be opened.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK)  # opening a pipe must not wait for somebody to write

    file = io.FileIO(path, "r", opener=opener)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise StorageError(f"{path}: cannot be read: it is no regular file")
    return file
