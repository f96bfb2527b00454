"""Classes are compared as text: what a class is called, whatever the file said it with."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable

_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
_MOST_SHOWN = 200


def class_name(value: object) -> str | None:
    """Return the text for a class given as text or as a whole number; None for anything else.

    7, 7.0 and "7" are all "7". Text loses blanks at both ends, and half characters that no file could hold.
    """
    if isinstance(value, str):
        return clean(value) or None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return None


def clean(text: str) -> str:
    """Return ``text`` as a file in UTF-8 can hold it, without blanks at its ends."""
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def is_number(name: str) -> bool:
    """Whether the name of a class is a whole number."""
    return _NUMBER.fullmatch(name) is not None


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return each name once: numbers by size, then texts by alphabet."""
    return tuple(sorted(set(names), key=lambda name: (0, int(name), name) if is_number(name) else (1, 0, name)))


def shown(value: object, most: int = _MOST_SHOWN) -> str:
    """Return a value as JSON for an error message, on one line, shortened to ``most`` characters."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = "(nests too deeply to be shown)"
    return text if len(text) <= most else f"{text[:most]}..."


def fitted(name: str, columns: int) -> str:
    """Return a name that is at most ``columns`` wide, cut in the middle; East Asian characters count as two."""
    name = " ".join("".join(" " if unicodedata.category(char)[0] == "C" else char for char in name).split())
    if width(name) <= columns:
        return name
    head, tail = name[:columns], name[-columns:]
    while width(head) > (columns - 3) * 2 // 3:
        head = head[:-1]
    while width(head) + width(tail) > columns - 3:
        tail = tail[1:]
    return f"{head}...{tail}"


def width(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
