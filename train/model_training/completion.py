"""What a trained model needs to be a package: config.json and customize_service.py beside its SavedModel."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

from model_service.errors import PackageError
from model_service.package.layout import CONFIG_NAME, SAVED_MODEL_NAME, SERVICE_NAME
from model_training.errors import TrainingFailed

TEMPLATE = Path(__file__).parent / "template"
METRICS_NAME = "test_metrics.json"
METRIC_NAMES = ("f1", "accuracy", "precision", "recall")
_CONTRACT_KEYS = ("apis", "validation", "dependencies")  # what config.json says about one particular service


def complete_package(version_folder: Path) -> list[str]:
    """Add what ``version_folder/model`` lacks; files that are there stay as they are.

    The sample service goes with models like MNIST's: ``images`` [N, 784] to ``scores`` [N, 10]. Any other model gets a
    config.json without a contract, since we cannot know one.

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
    lines = []
    service = model / SERVICE_NAME
    if service.exists():
        lines.append(f"{service}: kept, the script's own")
    elif _fits_sample_service(model):
        shutil.copyfile(TEMPLATE / SERVICE_NAME, service)
        lines.append(f"{service}: written")
    else:
        lines.append(
            f"{service}: not written, the sample service takes images [N, 784] to scores [N, 10]; add your own"
        )
    config = model / CONFIG_NAME
    if config.exists():
        return [*lines, f"{config}: kept, the script's own"]
    is_sample = service.exists() and service.read_bytes() == (TEMPLATE / SERVICE_NAME).read_bytes()
    content, remarks = _config(version_folder / METRICS_NAME, with_contract=is_sample)
    config.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    return [*lines, f"{config}: written", *remarks]


def _config(metrics_path: Path, *, with_contract: bool) -> tuple[dict[str, Any], list[str]]:
    content: dict[str, Any] = json.loads((TEMPLATE / CONFIG_NAME).read_text(encoding="utf-8"))
    remarks = []
    if not with_contract:
        content = {key: value for key, value in content.items() if key not in _CONTRACT_KEYS}
        remarks.append("  without a contract: add apis for your customize_service.py")
    try:
        content["metrics"] = _read_metrics(metrics_path)
    except (OSError, ValueError) as error:
        reason = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be used ({error})"
        del content["metrics"]
        remarks.append(f"  without metrics: {metrics_path} {reason}")
    return content, remarks


def _read_metrics(path: Path) -> dict[str, float]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError("it holds no JSON object")
    metrics = {name: content[name] for name in METRIC_NAMES if name in content}
    for name, value in metrics.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}, not a number")
    return metrics


def _fits_sample_service(model: Path) -> bool:
    from model_service.tfs.signature import read_saved_model_signature

    try:
        signature = read_saved_model_signature(model)
    except PackageError as error:
        raise TrainingFailed(f"the script's model cannot be served: {error}") from error
    found = [
        {name: (str(spec.dtype.name), spec.shape and spec.shape[1:]) for name, spec in specs.items()}
        for specs in (signature.inputs, signature.outputs)
    ]
    return found == [{"images": ("float32", (784,))}, {"scores": ("float32", (10,))}]
