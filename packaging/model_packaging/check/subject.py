"""What a check is about: the parts of one package, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_service.errors import PackageError
from model_service.package.config import PackageConfig, read_config
from model_service.package.layout import PackageLayout, find_package
from model_service.tfs.signature import Signature, read_saved_model_signature


@dataclass(frozen=True)
class Subject:
    """A package that was found.

    Attributes:
        path: as the user named it.
        layout: where its parts lie.
        config: config.json, read leniently as the runtime reads it.
        signature: the one that is called; None: there is no SavedModel, or none can be chosen.
        signature_problem: why none can be chosen; "" if one is, or if there is no SavedModel.
    """

    path: Path
    layout: PackageLayout
    config: PackageConfig
    signature: Signature | None
    signature_problem: str

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
    signature, problem = None, ""
    if layout.saved_model_path is not None:
        try:
            signature = read_saved_model_signature(layout.model_directory)
        except PackageError as error:
            problem = str(error)
    return Subject(path, layout, read_config(layout.config_path), signature, problem)
