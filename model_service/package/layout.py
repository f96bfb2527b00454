"""Where the parts of a package lie."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from model_service.errors import PackageError

CONFIG_NAME = "config.json"
SERVICE_NAME = "customize_service.py"
SAVED_MODEL_NAME = "saved_model.pb"
MODEL_FOLDER_NAME = "model"
VERSION_FOLDER = re.compile(r"V(\d+)")  # one run of a training job; the group is its number


@dataclass(frozen=True)
class PackageLayout:
    """The folder ``model/`` of a package and what lies in it; a part that is absent is None.

    Attributes:
        model_directory: absolute path of the folder with config.json, customize_service.py and the SavedModel.
        config_path: config.json.
        service_path: customize_service.py, or the file given instead of it.
        saved_model_path: saved_model.pb.
    """

    model_directory: Path
    config_path: Path | None
    service_path: Path | None
    saved_model_path: Path | None


def find_package(path: Path, service_path: Path | None = None) -> PackageLayout:
    """Find the package at ``path``.

    Args:
        path: ``model/`` itself, the folder that holds it, or a training output (its newest ``V####`` is taken).
        service_path: a file to use instead of the package's customize_service.py.

    Raises:
        PackageError: there is no package at ``path``; the message says what was looked for.
    """
    if not os.path.isdir(path):
        what = "not a folder" if os.path.lexists(path) else "no such folder"
        raise PackageError(f"{path}: {what}. Name the folder that holds model/, or model/ itself.")
    if service_path is not None and not service_path.is_file():
        raise PackageError(f"{service_path}: no such file (given with --service)")
    try:
        model_directory = _model_directory(path).resolve()
    except OSError as error:
        raise PackageError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    return PackageLayout(
        model_directory=model_directory,
        config_path=_present(model_directory / CONFIG_NAME),
        service_path=service_path.resolve() if service_path else _present(model_directory / SERVICE_NAME),
        saved_model_path=_present(model_directory / SAVED_MODEL_NAME),
    )


def _model_directory(path: Path) -> Path:
    if _holds_parts(path):
        return path
    if (path / MODEL_FOLDER_NAME).is_dir():
        return _checked(path / MODEL_FOLDER_NAME)
    version = newest_version(path)
    if version is not None:
        return _checked(version / MODEL_FOLDER_NAME)
    found = ", ".join(sorted(child.name for child in path.iterdir())[:10]) or "nothing"
    raise PackageError(
        f"{path}: no package here. Looked for {SAVED_MODEL_NAME}, {CONFIG_NAME}, {SERVICE_NAME}, model/ "
        f"or V0001/model/; found: {found}"
    )


def newest_version(path: Path) -> Path | None:
    """Return the newest ``V####`` in a training output that has a folder ``model/``; None: there is none."""
    versions = sorted(
        (int(match[1]), child)
        for child in path.iterdir()
        if (match := VERSION_FOLDER.fullmatch(child.name)) and (child / MODEL_FOLDER_NAME).is_dir()
    )
    return versions[-1][1] if versions else None


def _checked(model_directory: Path) -> Path:
    if not _holds_parts(model_directory):
        raise PackageError(f"{model_directory}: holds none of {SAVED_MODEL_NAME}, {CONFIG_NAME} and {SERVICE_NAME}")
    return model_directory


def _holds_parts(directory: Path) -> bool:
    return any((directory / name).is_file() for name in (SAVED_MODEL_NAME, CONFIG_NAME, SERVICE_NAME))


def _present(path: Path) -> Path | None:
    return path if path.is_file() else None
