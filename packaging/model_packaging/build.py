"""Lays out a package: a model, its config.json and its customize_service.py in a folder ``model/``."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from model_packaging.command import typed
from model_packaging.errors import BuildRefused
from model_packaging.new_folder import check_new_folder, new_folder
from model_packaging.parts import ConfigPart, ServicePart, read_config_part, read_service_part
from model_packaging.sources import ModelSource
from model_packaging.starter.complete import Knowledge, add_missing_parts
from model_packaging.warmup import add_warmup_requests
from model_service.errors import PackageError, SettingsError
from model_service.package.layout import CONFIG_NAME, MODEL_FOLDER_NAME, SAVED_MODEL_NAME, SERVICE_NAME


@dataclass(frozen=True)
class BuildOrder:
    """What to build from.

    Attributes:
        source: the model.
        service: a customize_service.py; None: the one beside the SavedModel, if any; else a starter is written.
        config: a config.json; None: the one beside the SavedModel, if any; else it is written.
        output: the folder to make; if it exists it must be empty.
        knowledge: what the written parts are made from beside the signature.
        warmup_samples: a folder of samples to record as warm-up requests; None: none are made.
    """

    source: ModelSource
    service: Path | None
    config: Path | None
    output: Path
    knowledge: Knowledge = field(default_factory=Knowledge)
    warmup_samples: Path | None = None


def build_package(order: BuildOrder) -> list[str]:
    """Check every part, then write ``output/model`` whole or not at all.

    Returns:
        Lines that say what the package consists of.

    Raises:
        BuildRefused: the parts do not make a package.
        SettingsError: the order contradicts itself or cannot be written.
    """
    check_new_folder(order.output, "--output")
    folder = order.source.folder
    if folder is not None and order.output.resolve().is_relative_to(folder.resolve()):
        raise SettingsError(f"--output {order.output}: lies in {folder}, the folder of the model; name another")
    order.source.check()
    config_path = order.config or _beside_model(order, CONFIG_NAME)
    config = read_config_part(config_path) if config_path else None
    service_path = order.service or _beside_model(order, SERVICE_NAME)
    service = read_service_part(service_path) if service_path else None
    with new_folder(order.output, "--output") as unfinished:
        written = _write(order, config, service, unfinished / MODEL_FOLDER_NAME)
        if order.warmup_samples is not None:
            helpers = _missing_helpers(service, unfinished / MODEL_FOLDER_NAME)
            if helpers:
                told = f"imports {', '.join(map(str, helpers))}, and only FILE itself goes into the package"
                then = f"copy the rest to {order.output / MODEL_FOLDER_NAME}, then: model-service package build"
                raise BuildRefused(
                    f"--service {service_path}: {told}. Build without --warmup-samples, "
                    f"{then} {typed(order.output)} --warmup-samples {typed(order.warmup_samples)}"
                )
            written += add_warmup_requests(unfinished / MODEL_FOLDER_NAME, order.warmup_samples)
    given = _report(order, config_path, service_path, config, service)
    return [*given, *(line.replace(str(unfinished), str(order.output)) for line in written)]


def _beside_model(order: BuildOrder, name: str) -> Path | None:
    folder = order.source.folder
    return folder / name if folder is not None and (folder / name).is_file() else None


def _write(order: BuildOrder, config: ConfigPart | None, service: ServicePart | None, model: Path) -> list[str]:
    """Write all parts; return lines about those that were not given."""
    model.mkdir()
    order.source.write(model)
    if config is not None:
        (model / CONFIG_NAME).write_bytes(config.content)
        for wheel in config.wheels:
            shutil.copyfile(wheel, model / wheel.name)
    if service is not None:
        (model / SERVICE_NAME).write_bytes(service.content)
    if service is None or service.needs_signature:
        _check_signature(order.source.title, model)
    return [line for line in add_missing_parts(model, order.knowledge) if not line.endswith(": kept")]


def _check_signature(title: str, model: Path) -> None:
    """Refuse now what the server would refuse when it starts."""
    from model_service.tfs.signature import read_saved_model_signature

    try:
        read_saved_model_signature(model)
    except PackageError as error:
        raise BuildRefused(str(error).replace(str(model), title)) from error


def _report(
    order: BuildOrder,
    config_path: Path | None,
    service_path: Path | None,
    config: ConfigPart | None,
    service: ServicePart | None,
) -> list[str]:
    """Say where the given parts come from."""
    model = order.output / MODEL_FOLDER_NAME
    lines = [f"{model / SAVED_MODEL_NAME}: from {order.source.title}"]
    if config is not None:
        lines.append(f"{model / CONFIG_NAME}: from {config_path}")
        lines += [f"{model / wheel.name}: from {wheel}" for wheel in config.wheels]
    if service is not None:
        lines.append(f"{model / SERVICE_NAME}: from {service_path}")
        missing = _missing_helpers(service, model)
        lines += [f"  not in the package, but imported: {path}; copy it to {model}" for path in missing]
    return lines


def _missing_helpers(service: ServicePart | None, model: Path) -> list[Path]:
    """Modules beside the service's file that it imports and that are not in the package."""
    return [path for path in service.helpers if not (model / path.name).exists()] if service is not None else []
