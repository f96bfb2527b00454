"""From a Keras model in memory to a package, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_packaging.build import BuildOrder, build_package
from model_packaging.errors import BuildRefused
from model_packaging.run_metrics import usable_metrics
from model_packaging.starter.complete import Knowledge

if TYPE_CHECKING:
    from model_packaging.check.package_check import CheckReport


@dataclass(frozen=True)
class _MemorySource:
    """A Keras model in memory, with the keys of its input and output if they are not Keras's own."""

    model: Any
    input_name: str | None
    output_name: str | None
    title: str = "the Keras model"
    folder: Path | None = None

    def check(self) -> None:
        """Nothing; the export tells."""

    def write(self, target: Path) -> None:
        """Export the model; imports TensorFlow."""
        from model_packaging.keras_export import export_keras_model

        export_keras_model(self.model, target, self.input_name, self.output_name, title=self.title)


def export_package(
    model: Any,
    directory: str | Path,
    *,
    labels: Sequence[str] | None = None,
    sample: Any = None,
    service: str | Path | None = None,
    config: str | Path | None = None,
    input_name: str | None = None,
    output_name: str | None = None,
    metrics: Mapping[str, float] | None = None,
    runs_check: bool = True,
) -> CheckReport | None:
    """Write a Keras model as a package that ``model-service serve`` takes, and check it.

    ::

        report = export_package(model, "my-package", labels=["cat", "dog"], sample=x_test[:8])

    Args:
        model: a built keras.Model.
        directory: the folder to make; if it exists it must be empty.
        labels: names of the classes in the order of the model's output; the service of a picture model then answers
            them.
        sample: a few real inputs with the batch dimension, as the model is called: an array, or one for each input by
            name. It tells the range of values the model was trained on, and is asked once for the contract.
        service: a customize_service.py; None: one is written that goes with the model.
        config: a config.json; None: one is written that is true of the service.
        input_name: the key under which the only input is sent; None: Keras's name.
        output_name: the key of the only output; None: Keras's name.
        metrics: f1, accuracy, precision and recall as far as they are known.
        runs_check: whether to check the package at the end, as ``model-service check`` does.

    Returns:
        What the check found; None if ``runs_check`` is False.

    Raises:
        BuildRefused: the model, or another part, does not make a package; nothing was written.
        SettingsError: the folder is not empty or cannot be written.
    """
    package = Path(directory)
    order = BuildOrder(
        source=_MemorySource(model, input_name, output_name),
        service=None if service is None else Path(service),
        config=None if config is None else Path(config),
        output=package,
        knowledge=Knowledge(
            metrics=_metrics(metrics),
            labels=tuple(labels or ()),
            sample=sample,
        ),
    )
    build_package(order)
    if not runs_check:
        return None
    from model_packaging.check.package_check import CheckOptions, check_package

    return check_package(CheckOptions(package))


def _metrics(metrics: Mapping[str, float] | None) -> dict[str, float] | None:
    try:
        return None if metrics is None else usable_metrics(metrics)
    except ValueError as error:
        raise BuildRefused(f"metrics: {error}") from error
