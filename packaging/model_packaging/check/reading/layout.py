"""Where the files of a package lie, and which are missing, double or out of place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.subject import Subject
from model_packaging.errors import BuildRefused
from model_packaging.parts import VARIABLES, check_saved_model
from model_service.package.layout import CONFIG_NAME, SAVED_MODEL_NAME, SERVICE_NAME

_NAMES = (CONFIG_NAME, SERVICE_NAME, SAVED_MODEL_NAME, VARIABLES)
_JUNK = re.compile(
    r"\.DS_Store|Thumbs\.db|desktop\.ini|.*\.(swp|swo|bak|orig|tmp|pyc|pyo)|.*~|\.git|\.ipynb_checkpoints"
)
_SECRET = re.compile(r"\.env|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|p12|pfx|key)|\.?credentials(\.\w+)?|\.netrc|\.pypirc")
_MAX_ENTRIES = 100_000


def check_layout(subject: Subject, needs_model: bool, has_variables: bool) -> Iterator[Finding]:
    """Yield what is wrong with the layout.

    Args:
        subject: the package.
        needs_model: the service leaves the call to the model to the base class, or that is not certain.
        has_variables: the graph of the SavedModel has variables, so that their files must be there.
    """
    folder = subject.layout.model_directory
    misnamed = dict(_misnamed(folder))
    for name, actual in misnamed.items():
        yield finding("wrong-case", Place(actual), f"must be called {name}; upper and lower case differ")
    if subject.layout.config_path is None and CONFIG_NAME not in misnamed:
        yield finding("no-config", Place(), f"there is no {CONFIG_NAME} in {folder}")
    if subject.layout.saved_model_path is not None:
        yield from _check_model(folder, has_variables)
    elif needs_model and SAVED_MODEL_NAME not in misnamed:
        yield from _check_no_model(folder)
    yield from _check_entries(subject)


def _misnamed(folder: Path) -> Iterator[tuple[str, str]]:
    present = {path.name for path in folder.iterdir()}
    for name in _NAMES:
        for each in sorted(present):
            if each != name and each.lower() == name and name not in present:
                yield name, each


def _check_model(folder: Path, has_variables: bool) -> Iterator[Finding]:
    others = sorted(path.name for path in folder.glob("*.pb") if _is_second_model(path))
    others += [name for name in ("saved_model.pbtxt",) if (folder / name).is_file()]
    if others:
        message = f"beside {SAVED_MODEL_NAME} lies another model: {', '.join(others)}"
        yield finding("two-models", Place(others[0]), message)
    elif has_variables:
        try:
            check_saved_model(folder)
        except BuildRefused as error:
            message = str(error).replace(f"{folder}{os.sep}", "")
            if VARIABLES in message:
                yield finding("incomplete-variables", Place(VARIABLES), message)


def _is_second_model(path: Path) -> bool:
    return path.name not in (SAVED_MODEL_NAME, "fingerprint.pb", "keras_metadata.pb")


def _check_no_model(folder: Path) -> Iterator[Finding]:
    if (folder / "saved_model.pbtxt").is_file():
        message = "the model is in text form; a package takes the binary form"
        yield finding("model-as-text", Place("saved_model.pbtxt"), message)
        return
    below = sorted(path.parent.relative_to(folder).as_posix() for path in folder.glob(f"*/{SAVED_MODEL_NAME}"))
    if below:
        message = f"{SAVED_MODEL_NAME} lies one folder too deep, in {', '.join(below[:5])}"
        yield finding("model-too-deep", Place(f"{below[0]}/{SAVED_MODEL_NAME}"), message)
        return
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:10])
    yield finding("no-model", Place(), f"there is no {SAVED_MODEL_NAME}; found: {found}")


def _check_entries(subject: Subject) -> Iterator[Finding]:
    """Links that lead out of the package, and files that were hardly meant to be in it."""
    folder = subject.layout.model_directory
    junk: list[str] = []
    secrets: list[str] = []
    spaces: list[str] = []
    for path in _entries(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(folder):
            yield finding("link-leads-out", Place(name), f"is a link to {os.readlink(path)}, outside the package")
        elif path.is_symlink() and not path.exists():
            yield finding("link-leads-nowhere", Place(name), f"is a link to {os.readlink(path)}, which is not there")
        if "__pycache__" in path.parts:
            continue
        if _JUNK.fullmatch(path.name):
            junk.append(name)
        elif _SECRET.fullmatch(path.name):
            secrets.append(name)
        elif " " in path.name:
            spaces.append(name)
    for code, names, what in (
        ("stray-file", junk, "is a leftover of a tool"),
        ("secret-file", secrets, "has the name of a file with secrets"),
        ("space-in-name", spaces, "has a space in its name"),
    ):
        if names:
            more = f", and {len(names) - 1} more such: {', '.join(names[1:4])}" if len(names) > 1 else ""
            yield finding(code, Place(names[0]), f"{what}{more}")


def _entries(folder: Path) -> Iterator[Path]:
    count = 0
    for parent, folders, files in os.walk(folder):
        for name in sorted([*folders, *files]):
            count += 1
            if count > _MAX_ENTRIES:
                return
            yield Path(parent, name)
        folders[:] = [name for name in folders if name != ".git"]
