"""All mutations of a package. Nothing here knows what the check looks for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .config_mutations import config_mutations
from .model_mutations import model_mutations
from .mutation import CONFIG, MODEL, SERVICE, Mutation
from .service_mutations import service_mutations


def mutations(model: Path) -> Iterator[Mutation]:
    """Yield all mutations of the good package in the folder ``model``, always the same in the same order."""
    seen: set[tuple[str, bytes | None]] = {(name, (model / name).read_bytes()) for name in (CONFIG, SERVICE)}
    for each in (
        *config_mutations((model / CONFIG).read_text(encoding="utf-8")),
        *service_mutations((model / SERVICE).read_text(encoding="utf-8")),
        *(model_mutations((model / MODEL).read_bytes()) if (model / MODEL).exists() else ()),
    ):
        change = next(iter(each.files.items()))
        if change not in seen:
            seen.add(change)
            yield each
