"""Options: one table per command, each row a flag and its environment twin, parsed once into a frozen object.

Precedence: flag, then environment, then what :func:`resolve` is given as ``legacy``, then the default.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_service.errors import SettingsError

_ENVIRONMENT_PREFIX = "MODEL_SERVICE_"
_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True)
class Option:
    """One row: ``name`` is the flag without dashes in front, ``parse`` raises ValueError for what it cannot take."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    metavar: str = "VALUE"

    @property
    def key(self) -> str:
        """The name in Python."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment twin."""
        return _ENVIRONMENT_PREFIX + self.key.upper()


def boolean(text: str) -> bool:
    """Parse 1/0, true/false, yes/no, on/off."""
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"must be one of {', '.join(_BOOLEANS)}") from None


def whole_number(minimum: int, maximum: int) -> Callable[[str], int]:
    """Make a parser for a whole number in a range, both ends included."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def positive_seconds(text: str) -> float:
    """Parse a number of seconds above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise ValueError("must be a number of seconds above 0")
    return seconds


def one_of(*choices: str) -> Callable[[str], str]:
    """Make a parser for a word out of a list."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def add_options(parser: argparse.ArgumentParser, options: Sequence[Option], has_variables: bool = True) -> None:
    """Add the rows of a table to a parser; switches take no value. The help names the environment twins, if any."""
    for option in options:
        has_default = option.default is not None and option.default is not False and option.default != ""
        default = f" (default: {option.default})" if has_default else ""
        variable = f" [{option.variable}]" if has_variables else ""
        text = f"{option.help}{default}{variable}".replace("%", "%%")
        if option.parse is boolean:
            parser.add_argument(f"--{option.name}", action="store_const", const="true", help=text)
        else:
            parser.add_argument(f"--{option.name}", metavar=option.metavar, help=text)


def resolve(
    options: Sequence[Option],
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    legacy: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Give every row its value.

    Args:
        options: the table.
        flags: by key; None where the flag was not given.
        environ: the environment.
        legacy: values that rank below flags and environment, by key.

    Raises:
        SettingsError: a value cannot be parsed, or the environment has a variable of our prefix that no row knows.
    """
    known = {option.variable for option in options}
    for variable in environ:
        if variable.startswith(_ENVIRONMENT_PREFIX) and variable not in known:
            raise SettingsError(f"{variable}: unknown; known: {', '.join(sorted(known))}")
    values = {}
    for option in options:
        for source, text in (
            (f"--{option.name}", flags.get(option.key)),
            (option.variable, environ.get(option.variable)),
            ("TF_MODEL_ARGS", (legacy or {}).get(option.key)),
        ):
            if text is not None:
                values[option.key] = _parsed(option, text, source)
                break
        else:
            values[option.key] = option.default
    return values


def _parsed(option: Option, text: str, source: str) -> Any:
    try:
        return option.parse(text)
    except ValueError as error:
        raise SettingsError(f"{source} {text}: {error}") from error
