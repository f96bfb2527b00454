"""Finds what a training run left: its newest version, the SavedModel in it, and what it measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_packaging.errors import BuildRefused
from model_packaging.run_metrics import METRICS_NAME, read_run_metrics
from model_service.errors import SettingsError
from model_service.package.layout import MODEL_FOLDER_NAME, SAVED_MODEL_NAME, newest_version


@dataclass(frozen=True)
class TrainingRun:
    """One run.

    Attributes:
        version_folder: what the script was given as --train_url.
        saved_model: the folder with its saved_model.pb.
        metrics: what it measured; None: nothing usable.
        remarks: lines that say why there are no metrics.
    """

    version_folder: Path
    saved_model: Path
    metrics: dict[str, float] | None
    remarks: tuple[str, ...]

    @property
    def is_package_folder(self) -> bool:
        """Whether the SavedModel lies where a package has it, so that the package can be made in place."""
        return self.saved_model == self.version_folder / MODEL_FOLDER_NAME


def find_training_run(path: Path) -> TrainingRun:
    """Find the newest run below a training output.

    Args:
        path: the folder with V0001, V0002, ...; or one of these; or any folder with a ``model/``. The SavedModel lies
            in ``model/``, or in ``model/model/``, where a script puts it that adds ``model`` to a path that has it.

    Raises:
        SettingsError: there is no such folder.
        BuildRefused: there is no SavedModel in it.
    """
    if not path.is_dir():
        raise SettingsError(f"{path}: no such folder. Name the output of a training run, or a SavedModel with --model.")
    version_folder = newest_version(path) or path
    if version_folder == path and path.name == MODEL_FOLDER_NAME and (path / SAVED_MODEL_NAME).is_file():
        version_folder = path.parent
    model = version_folder / MODEL_FOLDER_NAME
    candidates = (model, model / MODEL_FOLDER_NAME)
    for saved_model in candidates:
        if (saved_model / SAVED_MODEL_NAME).is_file():
            metrics, remarks = read_run_metrics(version_folder / METRICS_NAME)
            return TrainingRun(version_folder, saved_model, metrics, tuple(remarks))
    found = ", ".join(sorted(child.name for child in version_folder.iterdir())[:10]) or "nothing"
    looked = " and ".join(str(folder / SAVED_MODEL_NAME) for folder in candidates)
    raise BuildRefused(
        f"{path}: no SavedModel. Looked for {looked}; found in {version_folder}: {found}. A training script must write "
        "one to the folder model in its --train_url."
    )
