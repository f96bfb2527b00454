"""``model-service package diff``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_packaging.comparison import differences
from model_service.errors import ModelServiceError
from model_service.package.archive import opened_package


def main(argv: Sequence[str]) -> int:
    """Print what differs; 0: nothing, 1: something, 2: it could not be found out."""
    parser = argparse.ArgumentParser(
        prog="model-service package diff",
        description="Say what differs between two packages: files by their digests, config.json by JSON pointer, the "
        "model's tensors, code as a unified diff, and whether the weights are others. Exit status 0: the same, 1: not.",
        allow_abbrev=False,
    )
    parser.add_argument("old", type=Path, metavar="A", help="a package's folder, or its archive")
    parser.add_argument("new", type=Path, metavar="B", help="a package's folder, or its archive")
    arguments = parser.parse_args(argv)
    try:
        with opened_package(arguments.old) as old, opened_package(arguments.new) as new:
            lines = differences(old, new)
    except ModelServiceError as error:
        print(f"model-service package diff: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"model-service package diff: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print("\n".join(lines) if lines else "no difference")
    return 1 if lines else 0
