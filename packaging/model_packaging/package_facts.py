"""What can be said of a package by reading it, as JSON values; nothing of it is executed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_packaging.archive_facts import training_run
from model_packaging.archive_files import FoundFile, collect
from model_packaging.parts import VARIABLES
from model_service.errors import PackageError
from model_service.package.config import PackageConfig, read_config
from model_service.package.dependencies import read_dependencies
from model_service.package.layout import MODEL_FOLDER_NAME, PackageLayout, find_package
from model_service.package.manifest import MANIFEST_NAME, parse_manifest
from model_service.package.schema import FILE_MARKER, FILE_TYPE

_CHUNK_BYTES = 1 << 20
_WEIGHTS = f"{MODEL_FOLDER_NAME}/{VARIABLES}/"


def package_facts(package: Path, folder: Path) -> dict[str, Any]:
    """Describe a package.

    Args:
        package: as the user named it: a folder or an archive.
        folder: where it lies; for an archive where it was unpacked, which has proved its digests.

    Raises:
        PackageError: there is no package.
        OSError: a file cannot be read.
    """
    layout = find_package(folder)
    config = read_config(layout.config_path)
    files = file_facts(layout.model_directory)
    facts: dict[str, Any] = {"package": str(package), "archive": None}
    training = training_run(layout.model_directory)
    if package.is_file():
        content = (folder / MANIFEST_NAME).read_bytes()
        about = parse_manifest(content).about
        facts["archive"] = {
            "size_bytes": package.stat().st_size,
            "contents_sha256": hashlib.sha256(content).hexdigest(),
            "tf_model_service_version": about.get("tf_model_service_version"),
        }
        training = about.get("training")
    return {
        **facts,
        "parts": _parts(layout),
        "model": model_facts(layout),
        "weights_sha256": weights_digest(files),
        "contract": _contract(config),
        "dependencies": [each.requirement for each in read_dependencies(config.content)],
        "metrics": config.content.get("metrics"),
        "training": training,
        "size_bytes": sum(file["size_bytes"] for file in files),
        "files": files,
    }


def _parts(layout: PackageLayout) -> dict[str, Any]:
    parts = {"config": layout.config_path, "service": layout.service_path, "saved_model": layout.saved_model_path}
    return {name: path.name if path is not None else None for name, path in parts.items()}


def file_facts(model_directory: Path) -> list[dict[str, Any]]:
    """Return path, size in bytes and SHA-256 of each file of a package, sorted by path.

    Raises:
        OSError: one cannot be read.
    """
    found = sorted(collect(model_directory, lenient=True).files, key=lambda file: file.path)
    return [{"path": file.path, "size_bytes": file.size_bytes, "sha256": _digest(file)} for file in found]


def _digest(file: FoundFile) -> str:
    digest = hashlib.sha256()
    with file.source.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def weights_digest(files: Sequence[Mapping[str, Any]]) -> str | None:
    """Return one digest of all files in ``variables/``; None if there are none."""
    weights = [f"{file['path']} {file['sha256']}\n" for file in files if file["path"].startswith(_WEIGHTS)]
    return hashlib.sha256("".join(weights).encode("utf-8", "surrogateescape")).hexdigest() if weights else None


def model_facts(layout: PackageLayout) -> dict[str, Any] | None:
    """Return what the SavedModel says; None without one; a single key ``problem`` if it cannot be read."""
    from model_service.tfs.saved_model import read_saved_model_facts, signature_as_json

    if layout.saved_model_path is None:
        return None
    try:
        facts = read_saved_model_facts(layout.saved_model_path)
    except PackageError as error:
        return {"problem": str(error)}
    model: dict[str, Any] = {
        "tensorflow_version": facts.tensorflow_version or None,
        "tags": [list(tags) for tags in facts.tags],
        "signatures": list(facts.signature_names),
        "signature": None,
    }
    if facts.signature is None:
        return {**model, "problem": facts.signature_problem}
    return {**model, "signature": signature_as_json(facts.signature)}


def _contract(config: PackageConfig) -> dict[str, Any]:
    return {
        "apis": [
            {
                "url": api.url,
                "method": api.method,
                "request": _as_json(api.request_schema),
                "response": _as_json(api.response_schema),
            }
            for api in config.apis
        ],
        "validation": dict(config.validation),
        "problems": [str(problem) for problem in config.problems],
    }


def _as_json(schema: Any) -> Any:
    """A translated schema with ``{"type": "file"}`` for what JSON Schema cannot say."""
    if isinstance(schema, Mapping):
        if schema.get("const") == FILE_MARKER:
            return {"type": FILE_TYPE}
        return {key: _as_json(value) for key, value in schema.items()}
    return [_as_json(value) for value in schema] if isinstance(schema, list) else schema
