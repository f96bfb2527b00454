"""A breach of a rule, and the checks that several rules share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FORBIDDEN_CHARACTERS = re.compile(r"[&!'\"<>=]")
_CHINESE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
_JSON_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


@dataclass(frozen=True)
class Breach:
    """What is wrong at one place of config.json.

    Attributes:
        code: the rule that is broken; one of the check's catalogue.
        pointer: RFC 6901 JSON pointer; "" is the whole file.
    """

    code: str
    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '(whole file)'} {self.message}"


def kind_of(value: object) -> str:
    """Name the JSON type of a parsed value, with its article."""
    return _JSON_KINDS.get(type(value), type(value).__name__)


def check_text(code: str, value: object, pointer: str, hint: str = "") -> Iterator[Breach]:
    """Check a name or version: a string without the characters that the import service refuses."""
    if not isinstance(value, str) or not value.strip():
        kind = "an empty one" if value == "" else kind_of(value)
        yield Breach(code, pointer, f"must be a string with content, not {kind}")
        return
    match = _FORBIDDEN_CHARACTERS.search(value)
    if match:
        yield Breach(code, pointer, f"{value!r} contains {match[0]!r}, which is not allowed{hint}")
    if _CHINESE.search(value):
        yield Breach(code, pointer, f"{value!r} contains Chinese characters, which are not allowed")
