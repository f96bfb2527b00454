"""``model-service package diff``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from model_packaging.command import printable
from model_packaging.comparison import differences
from model_service.package.archive import opened_package


def main(argv: Sequence[str]) -> int:
    """Print what differs; 0: nothing, 1: something.

    Raises:
        ModelServiceError: there is no package, or an archive is not as it was written.
        OSError: a file cannot be read.
        SystemExit: ``--help``, or a usage error.
    """
    parser = argparse.ArgumentParser(
        prog="model-service package diff",
        description="Say what differs between two packages: files by their digests, config.json by JSON pointer, the "
        "model's tensors, code as a unified diff, and whether the weights are others. Exit status 0: the same, 1: not.",
        allow_abbrev=False,
    )
    parser.add_argument("old", type=Path, metavar="A", help="a package's folder, or its archive")
    parser.add_argument("new", type=Path, metavar="B", help="a package's folder, or its archive")
    arguments = parser.parse_args(argv)
    with opened_package(arguments.old) as old, opened_package(arguments.new) as new:
        lines = differences(old, new)
    print("\n".join(map(printable, lines)) if lines else "no difference")
    return 1 if lines else 0
