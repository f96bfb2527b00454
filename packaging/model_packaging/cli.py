"""The verb ``package``: a table of commands, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

from model_packaging.command import EXIT_USAGE, run_command

# command -> ("module:function", one line of help); the function takes the remaining arguments, returns the exit status,
# and leaves errors to run_command
COMMANDS: dict[str, tuple[str, str]] = {
    "build": ("model_packaging.build_cli:main", "make a package of a training run, or of a model and its parts"),
    "archive": ("model_packaging.archive_cli:main", "write a package into one file, the same bytes every time"),
    "inspect": ("model_packaging.inspect_cli:main", "say what a package or an archive holds"),
    "diff": ("model_packaging.diff_cli:main", "say what differs between two packages"),
    "requirements": ("model_packaging.requirements_cli:main", "write the dependencies as a pip requirements file"),
    "image": ("model_packaging.deploy.image:main", "write a Dockerfile and a compose file for a package"),
    "kubernetes": ("model_packaging.deploy.kubernetes:main", "write manifests for a package"),
}


def main(argv: Sequence[str]) -> int:
    """Run ``model-service package``; 0: done, 1: findings, 2: a wrong argument or parts that make no package."""
    arguments = list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help_text(), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else EXIT_USAGE
    command, rest = arguments[0], arguments[1:]
    if command not in COMMANDS:
        told = f"unknown command {command!r}; one of: {', '.join(COMMANDS)}"
        print(f"model-service package: {told}", file=sys.stderr)
        return EXIT_USAGE
    module_name, _, function_name = COMMANDS[command][0].partition(":")
    run: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module_name), function_name)
    return run_command(f"model-service package {command}", run, rest)


def _help_text() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {command:<{width}}  {summary}" for command, (_, summary) in COMMANDS.items())
    return (
        f"usage: model-service package COMMAND ...\n\ncommands:\n{rows}\n\n"
        "model-service package COMMAND --help tells more."
    )
