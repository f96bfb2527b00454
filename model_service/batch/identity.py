"""What makes two runs the same: the input, the package, and every option that can change a result."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_service.batch.options import BatchOptions
from model_service.batch.sources import Source
from model_service.inference.service_plan import ServicePlan

_CHUNK_BYTES = 1 << 20


def identify(
    options: BatchOptions,
    source: Source,
    plan: ServicePlan,
    backend_target: str,
    mapping_rule: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Describe a run by names that a person understands; values are JSON.

    The results of runs with equal descriptions are equal byte by byte, on the same machine (design D14).
    """
    service = plan.layout.service_path
    return {
        "the input": source.fingerprint,
        "number of items": source.count,
        "the package": _digest_folder(plan.layout.model_directory),
        "customize_service.py": _digest_file(service) if service is not None and not options.tensors else "",
        "--backend": f"remote {backend_target}" if plan.backend_kind == "remote" else plan.backend_kind,
        "--model-name": options.model_name,
        "--batch-size": options.batch_size,
        "--tensors": options.tensors,
        "--tensors --format npy": has_arrays(options),
        "--field": options.field,
        "--mapping": mapping_rule,
        "--csv-header": options.csv_header,
        "--select": options.select,
        "validation": [plan.request_mode.value, plan.response_mode.value],
        "--max-item-bytes": options.max_item_bytes,
        "--max-image-pixels": options.max_image_pixels,
    }


def has_arrays(options: BatchOptions) -> bool:
    """Whether outputs are kept as arrays all the way."""
    return options.tensors and options.format == "npy"


def _digest_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder)}\0{_digest_file(path)}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _digest_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
