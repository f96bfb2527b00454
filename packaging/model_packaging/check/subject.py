"""What a check is about: the parts of one package, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_service.package.config import PackageConfig, read_config
from model_service.package.layout import PackageLayout, find_package
from model_service.tfs.saved_model import SavedModelFacts, read_saved_model_facts
from model_service.tfs.signature import Signature, SignatureError


@dataclass(frozen=True)
class Subject:
    """A package that was found.

    Attributes:
        path: as the user named it.
        layout: where its parts lie.
        config: config.json, read leniently as the runtime reads it.
        model: what saved_model.pb says; None: there is none, or it cannot be read.
    """

    path: Path
    layout: PackageLayout
    config: PackageConfig
    model: SavedModelFacts | None

    @property
    def signature(self) -> Signature | None:
        """The one that is called; None: there is no SavedModel, or none can be chosen."""
        return self.model.signature if self.model is not None else None

    def relative(self, path: Path) -> str:
        """A path as findings show it: relative to ``model/`` where it lies in there."""
        folder = self.layout.model_directory
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def read_subject(path: Path) -> Subject:
    """Find the package at ``path`` and read its parts.

    Raises:
        PackageError: there is no package.
    """
    layout = find_package(path)
    return Subject(path, layout, read_config(layout.config_path), _read_model(layout.saved_model_path))


def _read_model(path: Path | None) -> SavedModelFacts | None:
    if path is None:
        return None
    try:
        return read_saved_model_facts(path)
    except SignatureError:
        return None
