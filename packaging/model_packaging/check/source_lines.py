"""The lines of the package's files that findings are about."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from model_packaging.check.finding import Finding, Place

_MAX_CHARACTERS = 200


def source_lines(findings: Iterable[Finding], model_directory: Path) -> dict[Place, str]:
    """Read the line of each place that has one, without its indentation; what cannot be read is left out."""
    places = {each.place for each in findings if each.place.line}
    lines = {place: _line(model_directory / place.file, place.line) for place in places}
    return {place: line for place, line in lines.items() if line}


def _line(path: Path, wanted: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if number == wanted:
                    return line.strip()[:_MAX_CHARACTERS]
    except OSError:
        pass
    return ""
