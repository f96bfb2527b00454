"""Whether anything in a folder has changed."""

from __future__ import annotations

from pathlib import Path

_MAX_FILES = 10_000


def folder_state(folder: Path) -> dict[str, tuple[int, int]]:
    """Size in bytes and time of change in nanoseconds of the files below a folder, by relative path."""
    found: dict[str, tuple[int, int]] = {}
    for path in folder.rglob("*"):
        if len(found) == _MAX_FILES:
            break
        if path.is_file() and "__pycache__" not in path.parts:
            state = path.stat()
            found[path.relative_to(folder).as_posix()] = (state.st_size, state.st_mtime_ns)
    return found


def changed_files(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[str]:
    """The files that are new, gone or different."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
