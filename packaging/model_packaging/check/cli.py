"""The verb ``check``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model_packaging.command import run_command
from model_service.errors import SettingsError

FORMATS = ("text", "json", "junit")


def main(argv: Sequence[str]) -> int:
    """Run ``model-service check``; 0: nothing that counts, 1: findings, 2: the check could not run."""
    return run_command("model-service check", _check, argv)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="model-service check",
        description="Read and run a package, and say what its callers would meet: every mistake with its place, what "
        "happens because of it, and how to mend it.",
        epilog="Exit status: 0 no errors (with --strict: no warnings either), 1 findings, 2 the check could not run.",
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, metavar="PACKAGE", help="as `model-service serve` takes it")
    parser.add_argument(
        "--sample",
        action="append",
        default=[],
        metavar="FILE|DIR|JSON",
        help="send this, too: a file, each file of a folder, or a JSON text; may be repeated",
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="of the report (default: text)")
    parser.add_argument("--strict", action="store_true", help="warnings count, too")
    parser.add_argument(
        "--backend",
        default="auto",
        help="model server: auto, embedded, tensorflow_model_server, the path of such a binary, HOST:PORT or "
        "unix:/path",
    )
    parser.add_argument("--no-run", action="store_true", help="only read the package; nothing of it is executed")
    parser.add_argument(
        "--export-tests",
        type=Path,
        metavar="FILE",
        help="write a pytest file that asks the next version of the package what this one was asked",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there instead of printing it")
    return parser


def _check(argv: Sequence[str]) -> int:
    arguments = _parser().parse_args(argv)
    from model_packaging.check.package_check import CheckOptions, check_package
    from model_packaging.check.report_json import json_report
    from model_packaging.check.report_junit import junit_report
    from model_packaging.check.report_text import TextStyle, text_report

    options = CheckOptions(
        package=arguments.package,
        samples=tuple(arguments.sample),
        backend=arguments.backend,
        runs_package=not arguments.no_run,
        export_tests=arguments.export_tests,
    )
    report = check_package(options)
    if arguments.format == "json":
        text = json_report(report)
    elif arguments.format == "junit":
        text = junit_report(report, arguments.strict)
    else:
        text = text_report(report, TextStyle.of(sys.stdout) if arguments.output is None else TextStyle())
    if arguments.output is None:
        print(text)
    else:
        _write(arguments.output, f"{text}\n")
    return int(report.has_failed(arguments.strict))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise SettingsError(f"--output {path}: cannot be written ({error.strerror})") from error
