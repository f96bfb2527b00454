"""The verb ``init``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from model_packaging.command import run_command, typed
from model_packaging.init.skeleton import KINDS, MAKE_MODEL_NAME, make_model, write_skeleton


def main(argv: Sequence[str]) -> int:
    """Run ``model-service init``; 0: done, 2: a wrong argument, or the model could not be made."""
    return run_command("model-service init", _init, argv)


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


def _init(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    directory: Path = arguments.directory
    for path in write_skeleton(arguments.template, directory):
        print(directory / path)
    script = directory / MAKE_MODEL_NAME
    if script.is_file() and arguments.no_model:
        print(f"Make the model with: python {typed(script)}")
    elif script.is_file():
        print(f"{script}: making a small model, which takes some seconds ...", flush=True)
        make_model(directory)
        print(directory / "model" / "saved_model.pb")
    print(f"Serve it with: model-service serve {typed(directory)}")
    print(f"Test it with:  pytest {typed(directory)}")
    return 0
