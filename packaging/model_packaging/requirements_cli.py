"""``model-service package requirements``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from model_packaging.command import typed
from model_packaging.requirements import Line, as_file, requirements_of
from model_service.errors import SettingsError
from model_service.package.layout import find_package
from model_service.settings import whole_number


def main(argv: Sequence[str]) -> int:
    """Write a requirements file; 0: done.

    Raises:
        ModelServiceError: pip cannot install what is declared, or the file cannot be written.
        SystemExit: ``--help``, or a usage error.
    """
    parser = argparse.ArgumentParser(
        prog="model-service package requirements",
        description="Write what config.json declares under dependencies as a pip requirements file. "
        "Then: pip install -r FILE",
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, help="folder that holds model/, model/ itself, or a training output")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write (default: standard output)")
    parser.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help="stands for the declared one of the same name, as numpy==2.1; may be given several times",
    )
    parser.add_argument(
        "--modern",
        action="store_true",
        help="where an EXACT or ATMOST version of numpy, tensorflow and the like cannot be had for today's Python, "
        "take what is installed here; each line says so",
    )
    parser.add_argument(
        "--group", type=whole_number(1, 1000), metavar="N", help="only the N-th element of dependencies"
    )
    arguments = parser.parse_args(argv)
    text = _text(arguments)
    if arguments.output is None:
        print(text, end="")
        return 0
    try:
        arguments.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--output {arguments.output}: cannot be written ({error.strerror})") from error
    print(f"{arguments.output}: written; pip install -r {typed(arguments.output)}")
    return 0


def _text(arguments: argparse.Namespace) -> str:
    package: Path = arguments.package
    if package.is_file():
        raise SettingsError(
            f"{package}: is a file; unpack it and name the folder, since wheels in it are named by path"
        )
    lines = requirements_of(find_package(package), arguments.override, modern=arguments.modern)
    return as_file(lines if arguments.group is None else _group(lines, arguments.group), package)


def _group(lines: Sequence[Line], number: int) -> list[Line]:
    groups = sorted({line.group for line in lines})
    if number > len(groups):
        raise SettingsError(f"--group {number}: there are {len(groups)} groups")
    return [line for line in lines if line.group == groups[number - 1]]
