"""What a trained model needs to be a package: config.json and customize_service.py beside its SavedModel."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from model_packaging.run_metrics import METRICS_NAME, read_run_metrics
from model_packaging.starter.complete import Knowledge, add_missing_parts
from model_service.errors import PackageError
from model_service.package.layout import CONFIG_NAME, SAVED_MODEL_NAME, SERVICE_NAME
from model_training.errors import TrainingFailed

TEMPLATE = Path(__file__).parent / "template"


def complete_package(version_folder: Path) -> list[str]:
    """Add what ``version_folder/model`` lacks; files that are there stay as they are.

    The sample service goes with models like MNIST's: ``images`` [N, 784] to ``scores`` [N, 10]. Any other model gets
    the starter that goes with its signature.

    Args:
        version_folder: holds ``model/``, and ``test_metrics.json`` if the script measured: an object with the numbers
            f1, accuracy, precision and recall, each optional.

    Returns:
        Lines that say what was added and what was not.

    Raises:
        TrainingFailed: there is no readable SavedModel in ``model/``.
    """
    model = version_folder / "model"
    if not (model / SAVED_MODEL_NAME).is_file():
        raise TrainingFailed(
            f"{model / SAVED_MODEL_NAME}: missing. The script ended well but left no SavedModel there; "
            "it must write one to the folder model in the folder it is given as --train_url"
        )
    metrics, remarks = read_run_metrics(version_folder / METRICS_NAME)
    had_config = (model / CONFIG_NAME).is_file()
    try:
        written = _add_sample_parts(model, metrics)
        others = add_missing_parts(model, Knowledge(metrics))
    except PackageError as error:
        raise TrainingFailed(f"the script's model cannot be served: {error}") from error
    kept = [line for line in others if line.removesuffix("kept") + "written" not in written]
    return [*written, *kept, *(remarks if not had_config else [])]


def _add_sample_parts(model: Path, metrics: dict[str, float] | None) -> list[str]:
    """Write the sample service and its contract, where the model is one for it and there is neither."""
    service, config = model / SERVICE_NAME, model / CONFIG_NAME
    if service.exists() or not _fits_sample_service(model):
        return []
    shutil.copyfile(TEMPLATE / SERVICE_NAME, service)
    lines = [f"{service}: written"]
    if not config.exists():
        content = json.loads((TEMPLATE / CONFIG_NAME).read_text(encoding="utf-8"))
        del content["metrics"]
        if metrics is not None:
            content["metrics"] = metrics
        config.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
        lines.append(f"{config}: written")
    return lines


def _fits_sample_service(model: Path) -> bool:
    from model_service.tfs.signature import read_saved_model_signature

    signature = read_saved_model_signature(model)
    found = [
        {name: (str(spec.dtype.name), spec.shape and spec.shape[1:]) for name, spec in specs.items()}
        for specs in (signature.inputs, signature.outputs)
    ]
    return found == [{"images": ("float32", (784,))}, {"scores": ("float32", (10,))}]
