"""The parts a package is made of, each checked before anything is written."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packaging.dependency_rules import package_names
from model_packaging.errors import BuildRefused
from model_packaging.rules import check_config
from model_service.author.inspection import inspect_service
from model_service.errors import PackageError
from model_service.package.layout import SAVED_MODEL_NAME

MODEL_TYPE = "TensorFlow"
VARIABLES = "variables"
# What TensorFlow and Keras write into the folder of a SavedModel; anything else in it is not part of the model.
OPTIONAL_MODEL_PARTS = ("assets", "assets.extra", "fingerprint.pb", "keras_metadata.pb")
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")

_INDEX = "variables.index"
_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")


def check_saved_model(folder: Path) -> None:
    """Check that a folder holds one complete SavedModel.

    Raises:
        BuildRefused: a part is missing, or there are two models.
    """
    if not (folder / SAVED_MODEL_NAME).is_file():
        raise BuildRefused(f"{folder}: there is no {SAVED_MODEL_NAME} in it.{_whereabouts(folder)}")
    known = {SAVED_MODEL_NAME, *OPTIONAL_MODEL_PARTS}
    others = sorted(
        path.name for pattern in ("*.pb", "*.pbtxt") for path in folder.glob(pattern) if path.name not in known
    )
    if others:
        raise BuildRefused(
            f"{folder}: holds more than one model file: {SAVED_MODEL_NAME}, {', '.join(others)}. "
            "A package has one model; leave only that in the folder."
        )
    variables = folder / VARIABLES
    if not variables.is_dir():
        raise BuildRefused(f"{variables}: missing. A SavedModel is {SAVED_MODEL_NAME} and the folder {VARIABLES}/.")
    if not (variables / _INDEX).is_file():
        raise BuildRefused(f"{variables / _INDEX}: missing; the copy of the SavedModel is incomplete.")
    shards = [match for path in variables.iterdir() if (match := _SHARD.fullmatch(path.name))]
    wanted = max((int(match[2]) for match in shards), default=1)
    missing = sorted(set(range(wanted)) - {int(match[1]) for match in shards if int(match[2]) == wanted})
    if missing:
        name = f"variables.data-{missing[0]:05d}-of-{wanted:05d}"
        raise BuildRefused(f"{variables / name}: missing; the copy of the SavedModel is incomplete.")


def _whereabouts(folder: Path) -> str:
    """Point at a SavedModel one level further down, which is the usual mistake."""
    below = sorted(path.parent for path in folder.glob(f"*/{SAVED_MODEL_NAME}"))
    if below:
        return f" Name the folder of one model: {', '.join(map(str, below[:5]))}"
    if (folder / "saved_model.pbtxt").exists():
        return " The text form, saved_model.pbtxt, cannot go into a package; save the model again in binary form."
    found = ", ".join(sorted(path.name for path in folder.iterdir())[:12])
    return f" Found: {found or 'nothing'}."


@dataclass(frozen=True)
class ConfigPart:
    """A config.json that keeps the rules: its bytes, and the wheel files beside it that its dependencies name."""

    content: bytes
    wheels: tuple[Path, ...]


def read_config_part(path: Path) -> ConfigPart:
    """Read a config.json that is to go into a package, and hold it against the rules.

    Raises:
        BuildRefused: it cannot be read, is not JSON, or breaks rules; the message lists all breaches.
    """
    try:
        content = path.read_bytes()
        config = json.loads(
            content.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_doubles
        )
    except OSError as error:
        raise BuildRefused(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BuildRefused(f"{path}: is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise BuildRefused(f"{path}: line {error.lineno} column {error.colno}: not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise BuildRefused(f"{path}: not usable JSON: {error}") from error
    wheels = {wheel.name: wheel for wheel in path.parent.glob("*.whl")}
    breaches = [str(breach) for breach in check_config(config, wheels)]
    if not breaches and config["model_type"] != MODEL_TYPE:
        breaches = [
            f"/model_type is {config['model_type']!r}, but the model is a SavedModel: only {MODEL_TYPE!r} runs it"
        ]
    if breaches:
        raise BuildRefused("\n".join([f"{path}: breaks the rules for packages:", *(f"  {text}" for text in breaches)]))
    named = package_names(config.get("dependencies", []))
    return ConfigPart(content, tuple(wheel for name, wheel in wheels.items() if name in named))


@dataclass(frozen=True)
class ServicePart:
    """A customize_service.py that Python can read.

    Attributes:
        content: its bytes.
        needs_signature: whether it leaves the call to the model to the base class.
        helpers: Python files beside it that it imports by name; they are not part of it.
    """

    content: bytes
    needs_signature: bool
    helpers: tuple[Path, ...]


def read_service_part(path: Path) -> ServicePart:
    """Read a customize_service.py, executing nothing of it.

    Raises:
        BuildRefused: it cannot be read, is not valid Python, or defines no class.
    """
    try:
        traits = inspect_service(path)
    except PackageError as error:
        raise BuildRefused(str(error)) from error
    content = path.read_bytes()
    nodes = list(ast.walk(ast.parse(content)))
    if not any(isinstance(node, ast.ClassDef) for node in nodes):
        raise BuildRefused(f"{path}: defines no class; a service is one subclass of TfServingBaseService.")
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    siblings = (path.with_name(f"{name.split('.')[0]}.py") for name in sorted(imported))
    helpers = tuple(dict.fromkeys(sibling for sibling in siblings if sibling.is_file()))
    return ServicePart(content, not traits.has_own_inference, helpers)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _without_doubles(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {double!r} stands twice in one object")
    return result
