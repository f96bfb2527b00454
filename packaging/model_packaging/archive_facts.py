"""What an archive's manifest says about the package beside its files. Nothing in it depends on when and where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model_packaging.run_metrics import METRICS_NAME
from model_service import __version__
from model_service.errors import PackageError
from model_service.package.layout import VERSION_FOLDER, PackageLayout

_MAX_METRICS_BYTES = 1 << 20


def about_package(layout: PackageLayout) -> dict[str, Any]:
    """Return what is known about a package, by name; null where it is not known."""
    return {
        "tf_model_service_version": __version__,
        **_about_model(layout),
        "training": training_run(layout.model_directory),
    }


def _about_model(layout: PackageLayout) -> dict[str, Any]:
    from model_service.tfs.saved_model import read_saved_model_facts, signature_as_json

    unknown = {"tensorflow_version": None, "signature": None}
    if layout.saved_model_path is None:
        return unknown
    try:
        facts = read_saved_model_facts(layout.saved_model_path)
    except PackageError:
        return unknown  # it is archived as it is; serving it will say what is wrong
    signature = signature_as_json(facts.signature) if facts.signature is not None else None
    return {"tensorflow_version": facts.tensorflow_version or None, "signature": signature}


def training_run(model_directory: Path) -> dict[str, Any] | None:
    """Return the training run that a package lies in: its version folder and what it measured; None: in none."""
    folder = model_directory.parent
    if not VERSION_FOLDER.fullmatch(folder.name):
        return None
    return {"version": folder.name, "test_metrics": _metrics(folder / METRICS_NAME)}


def _metrics(path: Path) -> dict[str, Any] | None:
    """What the training script measured, as it wrote it; None where it is absent or no JSON object."""
    try:
        if path.stat().st_size > _MAX_METRICS_BYTES:
            return None
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
