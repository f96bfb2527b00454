"""Lays out a package: a model, its config.json and its customize_service.py in a folder ``model/``."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from model_packaging.errors import BuildRefused
from model_packaging.parts import (
    KERAS_SUFFIXES,
    OPTIONAL_MODEL_PARTS,
    VARIABLES,
    ConfigPart,
    ServicePart,
    check_saved_model,
    read_config_part,
    read_service_part,
)
from model_service.errors import PackageError, SettingsError
from model_service.package.layout import CONFIG_NAME, MODEL_FOLDER_NAME, SAVED_MODEL_NAME, SERVICE_NAME


@dataclass(frozen=True)
class BuildOrder:
    """What to build from.

    Attributes:
        model: the folder of a SavedModel, or a Keras file.
        service: a customize_service.py; None: the one beside the SavedModel, if any.
        config: a config.json; None: the one beside the SavedModel.
        input_name: the key under which callers send the input of a Keras model; None: Keras's own name.
        output_name: the key of its output; None: Keras's own name.
        output: the folder to make; if it exists it must be empty.
        warmup_samples: a folder of samples to record as warm-up requests; None: none are made.
    """

    model: Path
    service: Path | None
    config: Path | None
    input_name: str | None
    output_name: str | None
    output: Path
    warmup_samples: Path | None = None


def build_package(order: BuildOrder) -> list[str]:
    """Check every part, then write ``output/model`` whole or not at all.

    Returns:
        Lines that say what the package consists of.

    Raises:
        BuildRefused: the parts do not make a package.
        SettingsError: the order contradicts itself or cannot be written.
    """
    _check_output(order.output)
    is_keras = _is_keras_file(order)
    if not is_keras:
        check_saved_model(order.model)
    config_path = order.config or _beside_model(order, CONFIG_NAME)
    if config_path is None:
        raise BuildRefused(
            f"{CONFIG_NAME}: a package must have one; give it with --config. The least is "
            '{"model_algorithm": "image_classification", "model_type": "TensorFlow"}; '
            "with apis, requests and answers are checked against their schemas."
        )
    config = read_config_part(config_path)
    service_path = order.service or _beside_model(order, SERVICE_NAME)
    service = read_service_part(service_path) if service_path else None
    try:
        order.output.parent.mkdir(parents=True, exist_ok=True)
        unfinished = order.output.with_name(f".{order.output.name}.{os.getpid()}")
        try:
            _write(order, is_keras, config, service, unfinished / MODEL_FOLDER_NAME)
            warmup = _write_warmup(order, unfinished / MODEL_FOLDER_NAME)
            os.replace(unfinished, order.output)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise SettingsError(f"{error.filename or order.output}: cannot be written ({error.strerror})") from error
    return [*_report(order, config_path, service_path, config, service), *warmup]


def _write_warmup(order: BuildOrder, model: Path) -> list[str]:
    if order.warmup_samples is None:
        return []
    from model_packaging.warmup import WARMUP_PATH, write_warmup_requests

    count = write_warmup_requests(model, order.warmup_samples)
    return [f"{order.output / MODEL_FOLDER_NAME / WARMUP_PATH}: {count} requests from {order.warmup_samples}"]


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise SettingsError(f"--output {output}: is a file; name a folder.")
    if output.is_dir() and any(output.iterdir()):
        raise SettingsError(f"--output {output}: is not empty; a package is never overwritten. Name another folder.")


def _is_keras_file(order: BuildOrder) -> bool:
    """Tell a Keras file from the folder of a SavedModel, and refuse anything else."""
    model = order.model
    if not model.exists():
        raise SettingsError(f"--model {model}: no such file or folder.")
    if model.is_dir():
        if order.input_name is not None or order.output_name is not None:
            raise SettingsError(
                "--input-name and --output-name are for Keras files; a SavedModel has its names already."
            )
        return False
    if model.suffix.lower() not in KERAS_SUFFIXES:
        kinds = f"the folder of a SavedModel, or a Keras file ({', '.join(KERAS_SUFFIXES)})"
        hint = " Name the folder it lies in." if model.name == SAVED_MODEL_NAME else ""
        raise SettingsError(f"--model {model}: must be {kinds}.{hint}")
    return True


def _beside_model(order: BuildOrder, name: str) -> Path | None:
    path = order.model / name
    return path if order.model.is_dir() and path.is_file() else None


def _write(order: BuildOrder, is_keras: bool, config: ConfigPart, service: ServicePart | None, model: Path) -> None:
    model.mkdir(parents=True)
    if is_keras:
        from model_packaging.keras_export import export_keras_file  # imports TensorFlow

        export_keras_file(order.model, model, order.input_name, order.output_name)
    else:
        shutil.copyfile(order.model / SAVED_MODEL_NAME, model / SAVED_MODEL_NAME)
        for name in (VARIABLES, *OPTIONAL_MODEL_PARTS):
            part = order.model / name
            if part.is_dir():
                shutil.copytree(part, model / name)
            elif part.is_file():
                shutil.copyfile(part, model / name)
    (model / CONFIG_NAME).write_bytes(config.content)
    for wheel in config.wheels:
        shutil.copyfile(wheel, model / wheel.name)
    if service is not None:
        (model / SERVICE_NAME).write_bytes(service.content)
    if service is None or service.needs_signature:
        _check_signature(order.model, model)


def _check_signature(source: Path, model: Path) -> None:
    """Refuse now what the server would refuse when it starts."""
    from model_service.tfs.signature import read_saved_model_signature

    try:
        read_saved_model_signature(model)
    except PackageError as error:
        raise BuildRefused(str(error).replace(str(model), str(source))) from error


def _report(
    order: BuildOrder, config_path: Path, service_path: Path | None, config: ConfigPart, service: ServicePart | None
) -> list[str]:
    model = order.output / MODEL_FOLDER_NAME
    lines = [f"{model / SAVED_MODEL_NAME}: from {order.model}", f"{model / CONFIG_NAME}: from {config_path}"]
    if service is None:
        lines.append(f"{model / SERVICE_NAME}: none; the default service for pictures will be used")
    else:
        lines.append(f"{model / SERVICE_NAME}: from {service_path}")
        lines += [f"  not in the package, but imported: {path}; copy it to {model}" for path in service.helpers]
    return [*lines, *(f"{model / wheel.name}: from {wheel}" for wheel in config.wheels)]
