"""Lays out the skeleton of a package from a template, and makes its model."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from model_packaging.command import typed
from model_packaging.new_folder import new_folder
from model_packaging.starter.render import TEMPLATES as STARTER_TEMPLATES
from model_service.errors import ModelServiceError
from model_service.package.layout import SERVICE_NAME

TEMPLATES = Path(__file__).parent / "templates"
MAKE_MODEL_NAME = "make_model.py"

_SECONDS_TO_MAKE = 600
_SHOWN_LINES = 5


class ModelNotMade(ModelServiceError):
    """The skeleton is there, but its make_model.py failed. Exit status 2."""


@dataclass(frozen=True)
class Template:
    """One kind of package: a folder of files, and files that it shares with the starters, by their new names."""

    folder: str
    shared: dict[str, str] = field(default_factory=dict)


KINDS = {
    "image-classification": Template(
        "image_classification",
        {"classifier_service.py": f"model/{SERVICE_NAME}", "pictures.py": "model/pictures.py"},
    ),
    "object-detection": Template("object_detection", {"pictures.py": "model/pictures.py"}),
    "predictive-analysis": Template("predictive_analysis"),
    "custom": Template("custom"),
}


def write_skeleton(kind: str, directory: Path) -> list[Path]:
    """Write the files of a template.

    Args:
        kind: one of :data:`KINDS`.
        directory: the folder to make; if it exists it must be empty.

    Returns:
        The files, relative to ``directory``.

    Raises:
        SettingsError: the folder is not empty, or cannot be written; nothing was.
    """
    template = KINDS[kind]
    source = TEMPLATES / template.folder
    parts = {path.relative_to(source): path for path in source.rglob("*") if path.is_file() and _is_wanted(path)}
    parts |= {Path(target): STARTER_TEMPLATES / name for name, target in template.shared.items()}
    with new_folder(directory) as unfinished:
        for target, origin in parts.items():
            (unfinished / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, unfinished / target)
    return sorted(parts)


def make_model(directory: Path) -> None:
    """Run the skeleton's make_model.py in a process of its own.

    Raises:
        ModelNotMade: it failed, with its last lines.
    """
    script = directory / MAKE_MODEL_NAME
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    retry = f"Mend it and run: {shlex.quote(sys.executable)} {typed(script)}"
    try:
        done = subprocess.run(
            [sys.executable, str(script.resolve())],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS_TO_MAKE,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelNotMade(f"{script}: not done after {_SECONDS_TO_MAKE} s. {retry}") from error
    if done.returncode != 0:
        last = "\n  ".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:])
        raise ModelNotMade(f"{script}: failed with status {done.returncode}:\n  {last}\n{retry}")


def _is_wanted(path: Path) -> bool:
    return "__pycache__" not in path.parts
