"""``model-service package inspect``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from model_packaging.facts_text import facts_text
from model_packaging.package_facts import package_facts
from model_service.errors import ModelServiceError
from model_service.package.archive import opened_package


def main(argv: Sequence[str]) -> int:
    """Print what a package is; 0: done, 2: there is none, or an archive is not as it was written."""
    parser = argparse.ArgumentParser(
        prog="model-service package inspect",
        description="Say what a package holds: model and signature, contract, dependencies, metrics, files and their "
        "SHA-256 digests. Nothing of it is executed. Of an archive every byte is checked.",
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, help="a package's folder, or its archive")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    arguments = parser.parse_args(argv)
    try:
        with opened_package(arguments.package) as folder:
            facts = package_facts(arguments.package, folder)
    except ModelServiceError as error:
        print(f"model-service package inspect: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"model-service package inspect: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print(json.dumps(facts, indent=2) if arguments.format == "json" else facts_text(facts).rstrip("\n"))
    return 0
