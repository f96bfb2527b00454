"""``model-service package build``: a package from a training run, or from a model and its parts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from model_packaging.command import typed
from model_service.errors import SettingsError

if TYPE_CHECKING:
    from model_packaging.sources import ModelSource
    from model_packaging.starter.complete import Knowledge


def main(argv: Sequence[str]) -> int:
    """Run the command; 0: done, 1: the check of the package found errors.

    Raises:
        ModelServiceError: a wrong argument, or parts that make no package.
        SystemExit: ``--help``, or a usage error.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if (arguments.training_output is None) == (arguments.model is None):
        parser.error("name either a training output or a model with --model")
    if arguments.model is None:
        lines, package = _from_training(arguments)
    else:
        if arguments.output is None:
            parser.error("--output is needed with --model")
        from model_packaging.sources import find_source

        source = find_source(arguments.model, arguments.input_name, arguments.output_name)
        lines, package = _build(arguments, source), arguments.output
    for line in lines:
        print(line)
    has_errors = not arguments.no_check and _check(package)
    print(f"The package is in {package}. Serve it with: model-service serve {typed(package)}")
    return 1 if has_errors else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model-service package build",
        description="Make a package of a training run, in place or in DIR; or lay out DIR/model from a model, a "
        "config.json and a customize_service.py. A part that is absent is written: a service that works, and a "
        "contract that is true of it. Each part is checked first; what the rules for packages forbid is refused, and "
        "nothing is written. At the end the package is checked as `model-service check` does it.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "training_output",
        nargs="?",
        type=Path,
        metavar="TRAINING_OUTPUT",
        help="the folder with V0001, V0002, ... (the newest is taken), or one of these",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help="the folder of a SavedModel, or a Keras file (.keras, .h5), which is exported with the signature "
        "serving_default",
    )
    _add_parts(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder to make; must be empty if it exists (default for a training run: its V####, in place)",
    )
    parser.add_argument(
        "--warmup-samples",
        type=Path,
        metavar="DIR",
        help="files to send, or JSON bodies (.json): each goes through _preprocess, and what it sends to the model is "
        "replayed whenever the model is loaded",
    )
    parser.add_argument("--no-check", action="store_true", help="do not check the package at the end")
    return parser


def _add_parts(parser: argparse.ArgumentParser) -> None:
    """Flags for what a package is made of beside its model."""
    parser.add_argument(
        "--service",
        type=Path,
        metavar="FILE",
        help="becomes customize_service.py (default: the one beside saved_model.pb, else a starter)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="becomes config.json (default: the one beside saved_model.pb, else it is written)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="names of the classes, one a line: the starter for a model of pictures then answers labels",
    )
    parser.add_argument(
        "--input-name", metavar="NAME", help="Keras files: the key of the input (default: Keras's name)"
    )
    parser.add_argument("--output-name", metavar="NAME", help="Keras files: the key of the output")


def _from_training(arguments: argparse.Namespace) -> tuple[list[str], Path]:
    """Build from the newest run of a training output; return lines, and where the package is."""
    from model_packaging.sources import TrainingRunSource
    from model_packaging.starter.complete import add_missing_parts
    from model_packaging.training_run import find_training_run

    for flag in ("input_name", "output_name"):
        if getattr(arguments, flag) is not None:
            raise SettingsError(f"--{flag.replace('_', '-')}: is for Keras files; a SavedModel has its names already.")
    run = find_training_run(arguments.training_output)
    if arguments.output is not None:
        lines = _build(arguments, TrainingRunSource(run.saved_model), run.metrics)
        return [*lines, *run.remarks], arguments.output
    if not run.is_package_folder:
        raise SettingsError(f"{run.saved_model}: is one folder too deep for a package; name a folder with --output DIR")
    for flag in ("service", "config"):
        if getattr(arguments, flag) is not None:
            raise SettingsError(f"--{flag}: goes with --output DIR; a run is completed, not changed")
    knowledge = replace(_knowledge(arguments.labels), metrics=run.metrics)
    lines = [*add_missing_parts(run.saved_model, knowledge), *run.remarks]
    if arguments.warmup_samples is not None:
        from model_packaging.warmup import add_warmup_requests

        lines += add_warmup_requests(run.saved_model, arguments.warmup_samples)
    return lines, run.version_folder


def _build(arguments: argparse.Namespace, source: ModelSource, metrics: dict[str, float] | None = None) -> list[str]:
    from model_packaging.build import BuildOrder, build_package

    order = BuildOrder(
        source=source,
        service=arguments.service,
        config=arguments.config,
        output=arguments.output,
        knowledge=replace(_knowledge(arguments.labels), metrics=metrics),
        warmup_samples=arguments.warmup_samples,
    )
    return build_package(order)


def _knowledge(labels_path: Path | None) -> Knowledge:
    from model_packaging.starter.complete import Knowledge, read_labels

    return Knowledge(labels=read_labels(labels_path) if labels_path is not None else ())


def _check(package: Path) -> bool:
    """Print what the check finds; return whether there are errors."""
    from model_packaging.check.package_check import CheckOptions, check_package
    from model_packaging.check.report_text import TextStyle, text_report

    report = check_package(CheckOptions(package))
    print(text_report(report, TextStyle.of(sys.stdout)))
    return report.has_failed(is_strict=False)
