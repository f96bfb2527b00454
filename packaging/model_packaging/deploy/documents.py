"""The files in docker/ that are filled in, and YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from model_service.errors import SettingsError

EXAMPLE_NAME = "digits"  # what the worked example is called
_WIDTH = 120


def docker_file(name: str) -> Path:
    """Return the path of a file of docker/.

    Raises:
        SettingsError: it is not installed.
    """
    package = Path(__file__).parents[1]
    # An installed wheel has the files in docker/ here; in the repository that folder is at the top.
    for folder in (package / "docker", package.parents[1] / "docker"):
        if (folder / name).is_file():
            return folder / name
    raise SettingsError(f"{package / 'docker' / name}: missing; install tf-model-service again")


def read_yaml(path: Path) -> Any:
    """Read the only document of a YAML file.

    Raises:
        SettingsError: the YAML library is not installed.
    """
    return _yaml().safe_load(path.read_text(encoding="utf-8"))


def write_yaml(path: Path, document: Any, heading: str) -> None:
    """Write a document; ``heading`` becomes a comment above it. Values are quoted where YAML wants it."""
    text = _yaml().safe_dump(document, sort_keys=False, default_flow_style=False, width=_WIDTH, allow_unicode=True)
    path.write_text(f"# {heading}\n{text}", encoding="utf-8")


def renamed(node: Any, name: str) -> Any:
    """Return a copy of a document of the worked example under another name."""
    if isinstance(node, dict):
        return {renamed(key, name): renamed(value, name) for key, value in node.items()}
    if isinstance(node, list):
        return [renamed(each, name) for each in node]
    return re.sub(rf"\b{EXAMPLE_NAME}\b", name, node) if isinstance(node, str) else node


def _yaml() -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise SettingsError("this needs a YAML library; run: pip install 'tf-model-service[deploy]'") from error
    return yaml
