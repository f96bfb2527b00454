"""The good packages that are mutated: pictures, rows of numbers and texts; with and without a model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_packaging.init.skeleton import TEMPLATES
from model_training.completion import TEMPLATE
from tests.conftest import TESTS_FOLDER, SavedModels


@dataclass(frozen=True)
class Base:
    """A good package: the folder of its config.json and service, and the kind of its model (tests/models.py)."""

    folder: Path
    model: str | None

    def write(self, package: Path, saved_model: SavedModels) -> None:
        """Write the package into a folder, which then holds ``model/``."""
        for name in ("config.json", "customize_service.py"):
            (package / "model").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / name, package / "model" / name)
        if self.model is not None:
            shutil.copytree(saved_model(self.model), package / "model", dirs_exist_ok=True)


BASES: Mapping[str, Base] = {
    "sample service": Base(TEMPLATE, "digits"),
    "pictures": Base(TESTS_FOLDER / "packages" / "running" / "good_digits" / "model", "digits"),
    "rows": Base(TEMPLATES / "predictive_analysis" / "model", "sizes"),
    "texts": Base(TESTS_FOLDER / "packages" / "upper" / "model", "strings"),
    "no model": Base(TEMPLATES / "custom" / "model", None),
}
