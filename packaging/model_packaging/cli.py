"""The verb ``package``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from model_service.errors import ModelServiceError

# command -> ("module:function", one line of help); the function takes the remaining arguments, returns the exit status
COMMANDS: dict[str, tuple[str, str]] = {
    "archive": ("model_packaging.archive_cli:main", "write a package into one file, the same bytes every time"),
    "inspect": ("model_packaging.inspect_cli:main", "say what a package or an archive holds"),
    "diff": ("model_packaging.diff_cli:main", "say what differs between two packages"),
    "requirements": ("model_packaging.requirements_cli:main", "write the dependencies as a pip requirements file"),
}


def main(argv: Sequence[str]) -> int:
    """Run ``model-service package``; 0: done, 2: a wrong argument or parts that make no package."""
    if argv and argv[0] in COMMANDS:
        module_name, _, function_name = COMMANDS[argv[0]][0].partition(":")
        try:
            status: int = getattr(importlib.import_module(module_name), function_name)(argv[1:])
        except KeyboardInterrupt:
            print(f"model-service package {argv[0]}: interrupted", file=sys.stderr)
            return 2
        return status
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as error:  # argparse, after --help or a usage error
        return int(error.code or 0)
    try:
        _build(arguments)
    except ModelServiceError as error:
        print(f"model-service package build: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="model-service package", description="Make model packages.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    build = commands.add_parser(
        "build",
        help="lay out a package from a model and its parts",
        description="Lay out DIR/model from a model, a config.json and a customize_service.py. Each part is checked "
        "first; what the rules for packages forbid is refused, and nothing is written.",
        allow_abbrev=False,
    )
    build.add_argument(
        "--model",
        required=True,
        type=Path,
        metavar="MODEL",
        help="the folder of a SavedModel, or a Keras file (.keras, .h5), which is exported with the signature "
        "serving_default",
    )
    build.add_argument(
        "--service",
        type=Path,
        metavar="FILE",
        help="becomes customize_service.py (default: the one beside saved_model.pb, if there is one)",
    )
    build.add_argument(
        "--config", type=Path, metavar="FILE", help="becomes config.json (default: the one beside saved_model.pb)"
    )
    build.add_argument("--input-name", metavar="NAME", help="Keras files: the key of the input (default: Keras's name)")
    build.add_argument("--output-name", metavar="NAME", help="Keras files: the key of the output")
    build.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder to make; must be empty if it exists"
    )
    build.add_argument(
        "--warmup-samples",
        type=Path,
        metavar="DIR",
        help="files to send, or JSON bodies (.json): each goes through _preprocess, and what it sends to the model is "
        "replayed whenever the model is loaded",
    )
    return parser


def _build(arguments: argparse.Namespace) -> None:
    from model_packaging.build import BuildOrder, build_package

    order = BuildOrder(
        model=arguments.model,
        service=arguments.service,
        config=arguments.config,
        input_name=arguments.input_name,
        output_name=arguments.output_name,
        output=arguments.output,
        warmup_samples=arguments.warmup_samples,
    )
    for line in build_package(order):
        print(line)
    print(f"The package is in {order.output}. Serve it with: model-service serve {order.output}")
