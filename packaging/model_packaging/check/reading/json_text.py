"""config.json as text: its value, the line of each of its parts, and what is wrong with it as JSON."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_service.package.config import MAX_CONFIG_BYTES
from model_service.package.layout import CONFIG_NAME
from model_service.package.schema import child_pointer

_SPACE = re.compile(r"[ \t\n\r]*")
_PYTHON_WORDS = {"T": "True", "F": "False", "N": "None"}


@dataclass(frozen=True)
class JsonText:
    """A JSON file that was read.

    Attributes:
        value: what it says; None if it is not JSON.
        is_json: whether it could be parsed.
        lines: JSON pointer -> line, counted from 1.
    """

    value: object = None
    is_json: bool = False
    lines: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def place(self, pointer: str) -> Place:
        """Where a pointer leads; what is not there has the line of what should hold it."""
        above = pointer
        while above and above not in self.lines:
            above = above.rpartition("/")[0]
        return Place(CONFIG_NAME, self.lines.get(above, 0), pointer)


def read_config_text(path: Path) -> JsonText:
    """Read a config.json; what is wrong with it is in ``findings``."""
    place = Place(CONFIG_NAME)
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_CONFIG_BYTES:
            message = f"has {len(raw)} bytes; more than {MAX_CONFIG_BYTES} are not read"
            return JsonText(findings=(finding("config-too-large", place, message),))
        text = raw.decode("utf-8-sig")
    except OSError as error:
        return JsonText(findings=(finding("config-not-readable", place, f"cannot be read: {error.strerror}"),))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} is not UTF-8; save the file as UTF-8"
        return JsonText(findings=(finding("config-not-utf8", Place(CONFIG_NAME, line), message),))
    try:
        value = json.loads(text)
        scan = _Scan(text)
        scan.value(0, "")
    except json.JSONDecodeError as error:
        return JsonText(findings=(_json_finding(text, error),))
    except (RecursionError, ValueError) as error:
        message = "nests too deeply" if isinstance(error, RecursionError) else f"is no usable JSON: {error}"
        return JsonText(findings=(finding("config-not-json", place, message),))
    findings = [
        finding(
            "key-twice", Place(CONFIG_NAME, line, pointer), f"stands here for the second time; line {first} is lost"
        )
        for pointer, line, first in scan.doubles
    ]
    constants = [
        finding("not-a-json-number", Place(CONFIG_NAME, line, pointer), f"is {word}, which JSON does not have")
        for pointer, line, word in scan.constants
    ]
    return JsonText(value, True, scan.lines, (*findings, *constants))


def _json_finding(text: str, error: json.JSONDecodeError) -> Finding:
    place = Place(CONFIG_NAME, error.lineno)
    where = f"line {error.lineno} column {error.colno}"
    rest = text[error.pos :].lstrip()
    before = text[: error.pos].rstrip()
    # Newer Pythons point at the comma itself, older ones at what follows it.
    after_comma = rest.removeprefix(",").lstrip() if not before.endswith(",") else rest
    if rest.startswith(("//", "/*", "#")):
        return finding("config-has-comments", place, f"{where}: JSON has no comments")
    if (before.endswith(",") or rest.startswith(",")) and after_comma.startswith(("}", "]")):
        line = before.count("\n") + 1 if before.endswith(",") else error.lineno
        message = f"line {line}: a comma before the closing {after_comma[0]}; JSON allows none there"
        return finding("config-has-trailing-comma", Place(CONFIG_NAME, line), message)
    if rest.startswith("'"):
        message = f"{where}: text stands in double quotes, not single ones"
    elif rest.startswith(tuple(_PYTHON_WORDS.values())):
        word = _PYTHON_WORDS[rest[0]]
        json_word = {"True": "true", "False": "false", "None": "null"}[word]
        message = f"{where}: {word} is Python; JSON says {json_word}"
    elif not text.strip():
        message = "is empty"
    else:
        message = f"{where}: {error.msg}"
    return finding("config-not-json", place, message)


class _Scan:
    """Walks through a text that is known to be JSON, and notes where its parts begin."""

    def __init__(self, text: str):
        self.lines: dict[str, int] = {}
        self.doubles: list[tuple[str, int, int]] = []
        self.constants: list[tuple[str, int, str]] = []
        self._text = text
        self._decoder = json.JSONDecoder()
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def value(self, at: int, pointer: str) -> int:
        """Walk through the value at a position; return the position after it."""
        at = self._skip(at)
        self.lines.setdefault(pointer, self._line(at))
        first = self._text[at]
        if first == "{":
            return self._object(at + 1, pointer)
        if first == "[":
            return self._array(at + 1, pointer)
        for word in ("NaN", "Infinity", "-Infinity"):
            if self._text.startswith(word, at):
                self.constants.append((pointer, self._line(at), word))
        return self._decoder.raw_decode(self._text, at)[1]

    def _object(self, at: int, pointer: str) -> int:
        keys: dict[str, int] = {}
        at = self._skip(at)
        while self._text[at] != "}":
            line = self._line(at)
            key, at = self._decoder.raw_decode(self._text, at)
            below = child_pointer(pointer, key)
            if key in keys:
                self.doubles.append((below, line, keys[key]))
            keys[key] = line
            self.lines[below] = line
            at = self._skip(self.value(self._skip(at) + 1, below))
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _array(self, at: int, pointer: str) -> int:
        index = 0
        at = self._skip(at)
        while self._text[at] != "]":
            at = self._skip(self.value(at, f"{pointer}/{index}"))
            index += 1
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def _line(self, at: int) -> int:
        return bisect_left(self._ends, at) + 1
