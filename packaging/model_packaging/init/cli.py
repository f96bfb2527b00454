"""The verb ``init``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_packaging.init.skeleton import KINDS, MAKE_MODEL_NAME, make_model, write_skeleton
from model_service.errors import ModelServiceError


def main(argv: Sequence[str]) -> int:
    """Run ``model-service init``; 0: done, 2: a wrong argument, or the model could not be made."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as error:  # argparse, after --help or a usage error
        return int(error.code or 0)
    try:
        _init(arguments.directory, arguments.template, arguments.no_model)
    except ModelServiceError as error:
        print(f"model-service init: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model-service init",
        description="Make the skeleton of a package in DIR: a small real model, a service, a contract that is true of "
        "it, and a test. It serves at once; the comments in it tell what to change.",
        allow_abbrev=False,
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder to make; must be empty if it exists")
    parser.add_argument(
        "--template", required=True, choices=sorted(KINDS), help="what the package is to do; custom: without a model"
    )
    parser.add_argument(
        "--no-model", action="store_true", help=f"do not run {MAKE_MODEL_NAME}, which takes some seconds of TensorFlow"
    )
    return parser


def _init(directory: Path, kind: str, without_model: bool) -> None:
    files = write_skeleton(kind, directory)
    for path in files:
        print(directory / path)
    script = directory / MAKE_MODEL_NAME
    if script.is_file() and without_model:
        print(f"Make the model with: python {script}")
    elif script.is_file():
        print(f"{script}: making a small model, which takes some seconds ...", flush=True)
        make_model(directory)
        print(directory / "model" / "saved_model.pb")
    print(f"Serve it with: model-service serve {directory}")
    print(f"Test it with:  pytest {directory}")
