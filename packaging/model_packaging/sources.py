"""Where the model of a package comes from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from model_packaging.archive_files import collect
from model_packaging.parts import KERAS_SUFFIXES, OPTIONAL_MODEL_PARTS, VARIABLES, check_saved_model
from model_service.errors import SettingsError
from model_service.package.layout import MODEL_FOLDER_NAME, SAVED_MODEL_NAME


class ModelSource(Protocol):
    """A model that can be written as a SavedModel."""

    @property
    def title(self) -> str:
        """What messages call it: a path, or a few words."""

    @property
    def folder(self) -> Path | None:
        """The folder where config.json and customize_service.py may lie beside it, if it has one."""

    def check(self) -> None:
        """Raise BuildRefused for what can be told before anything is written."""

    def write(self, target: Path) -> None:
        """Write saved_model.pb, variables/ and what belongs to them into an existing folder."""


@dataclass(frozen=True)
class SavedModelSource:
    """The folder of a SavedModel."""

    path: Path

    @property
    def title(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def folder(self) -> Path | None:
        """Itself."""
        return self.path

    def check(self) -> None:
        """See :func:`model_packaging.parts.check_saved_model`."""
        check_saved_model(self.path)

    def write(self, target: Path) -> None:
        """Copy the parts of a SavedModel, and nothing else that lies beside them."""
        shutil.copyfile(self.path / SAVED_MODEL_NAME, target / SAVED_MODEL_NAME)
        for name in (VARIABLES, *OPTIONAL_MODEL_PARTS):
            part = self.path / name
            if part.is_dir():
                shutil.copytree(part, target / name)
            elif part.is_file():
                shutil.copyfile(part, target / name)


@dataclass(frozen=True)
class TrainingRunSource(SavedModelSource):
    """The folder ``model/`` of a training run: what the script has put beside the SavedModel goes with it."""

    def write(self, target: Path) -> None:
        """Copy what an archive would hold: a service's modules, its labels, everything that belongs to a package."""
        for file in collect(self.path).files:
            path = target / Path(file.path).relative_to(MODEL_FOLDER_NAME)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.source, path)


@dataclass(frozen=True)
class KerasFileSource:
    """A Keras file, and the keys of its input and output if they are not Keras's own."""

    path: Path
    input_name: str | None
    output_name: str | None

    @property
    def title(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def folder(self) -> Path | None:
        """None: what lies beside a file is not meant."""
        return None

    def check(self) -> None:
        """Nothing; Keras tells when it loads the file."""

    def write(self, target: Path) -> None:
        """Load the file and export it; imports TensorFlow."""
        from model_packaging.keras_export import export_keras_file  # imports TensorFlow

        export_keras_file(self.path, target, self.input_name, self.output_name)


def find_source(model: Path, input_name: str | None, output_name: str | None) -> ModelSource:
    """Tell a Keras file from the folder of a SavedModel.

    Raises:
        SettingsError: it is neither, or names are given for a SavedModel.
    """
    if not model.exists():
        raise SettingsError(f"--model {model}: no such file or folder.")
    if model.is_dir():
        if input_name is not None or output_name is not None:
            raise SettingsError(
                "--input-name and --output-name are for Keras files; a SavedModel has its names already."
            )
        return SavedModelSource(model)
    if model.suffix.lower() not in KERAS_SUFFIXES:
        kinds = f"the folder of a SavedModel, or a Keras file ({', '.join(KERAS_SUFFIXES)})"
        hint = " Name the folder it lies in." if model.name == SAVED_MODEL_NAME else ""
        raise SettingsError(f"--model {model}: must be {kinds}.{hint}")
    return KerasFileSource(model, input_name, output_name)
