"""Fills the constants of a template in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, constants: Mapping[str, object]) -> str:
    """Return a template with the values of its constants exchanged.

    A template is a module that runs as it is. Values are written as Python literals, so that nothing in a name can
    become code.

    Args:
        template: its file name.
        constants: by what stands left of the ``=``, as ``HEIGHT, WIDTH, CHANNELS``.
    """
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    for name, value in constants.items():
        literal = repr(value)
        if "," in name and isinstance(value, tuple):
            literal = literal[1:-1]
        lines = re.compile(rf"^({re.escape(name)}(?:: [^=]+)? = ).*?(  # .*)?$", re.MULTILINE)
        found = list(lines.finditer(text))
        if len(found) != 1:
            raise ValueError(f"{template} has {len(found)} constants called {name}")
        (line,) = found
        text = f"{text[: line.start()]}{line[1]}{literal}{line[2] or ''}{text[line.end() :]}"
    return text
