"""``model-service package inspect``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from model_packaging.facts_text import facts_text
from model_packaging.package_facts import package_facts
from model_service.package.archive import opened_package


def main(argv: Sequence[str]) -> int:
    """Print what a package is; 0: done.

    Raises:
        ModelServiceError: there is none, or an archive is not as it was written.
        OSError: a file cannot be read.
        SystemExit: ``--help``, or a usage error.
    """
    parser = argparse.ArgumentParser(
        prog="model-service package inspect",
        description="Say what a package holds: model and signature, contract, dependencies, metrics, files and their "
        "SHA-256 digests. Nothing of it is executed. Of an archive every byte is checked.",
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, help="a package's folder, or its archive")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    arguments = parser.parse_args(argv)
    with opened_package(arguments.package) as folder:
        facts = package_facts(arguments.package, folder)
    print(json.dumps(facts, indent=2) if arguments.format == "json" else facts_text(facts).rstrip("\n"))
    return 0
