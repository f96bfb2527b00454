"""Which version of a model lies on disk."""

from __future__ import annotations

from pathlib import Path

from model_service.errors import ModelServiceError


class NoVersionFound(ModelServiceError):
    """The base path has no version folder."""


def newest_version(base_path: Path) -> tuple[int, Path]:
    """Return the highest version number below a base path, and its folder.

    Raises:
        NoVersionFound: the base path is missing, or no folder in it is named by a number.
    """
    try:
        versions = [(int(entry.name), entry) for entry in base_path.iterdir() if entry.name.isdigit()]
    except OSError as error:
        raise NoVersionFound(f"Could not find base path {base_path}: {error.strerror}") from error
    folders = sorted((number, entry) for number, entry in versions if entry.is_dir())
    if not folders:
        raise NoVersionFound(f"No versions of servable found under base path {base_path}")
    return folders[-1]
