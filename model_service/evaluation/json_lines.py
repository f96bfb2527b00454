"""Files with one JSON object a line: what a batch run writes, and manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_service.evaluation.class_names import clean, shown
from model_service.evaluation.errors import EvaluationError

JsonObject = dict[str, Any]


def read_json_lines(path: Path) -> Iterator[tuple[int, JsonObject]]:
    """Give the objects of a file with the numbers of their lines, counted from 1.

    Blank lines are skipped; the keys of each object lose blanks at both ends, as some manifests have them.

    Raises:
        EvaluationError: the file cannot be read, or a line is no JSON object.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                if line.strip():
                    yield number, _parsed(path, number, line)
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror}") from error


def _parsed(path: Path, number: int, line: bytes) -> JsonObject:
    value = parse_json(line, f"{path} line {number}")
    if not isinstance(value, dict):
        raise EvaluationError(f"{path} line {number}: must be a JSON object like {{...}}, not {shown(value)}")
    return {key.strip(): part for key, part in value.items()}


def parse_json(text: bytes, place: str) -> Any:
    """Parse UTF-8 JSON.

    Raises:
        EvaluationError: it is none; the message begins with ``place``.
    """
    try:
        return json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{place}: is not UTF-8 (at its byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise EvaluationError(f"{place}: not JSON: {error.msg} (column {error.colno})") from error
    except RecursionError as error:
        raise EvaluationError(f"{place}: nests too deeply") from error
    except ValueError as error:  # a number with thousands of digits
        raise EvaluationError(f"{place}: not JSON: {error}") from error


def source_of(entry: JsonObject) -> str | None:
    """Return the ``source`` of a line, if it names one."""
    source = entry.get("source")
    return clean(source) or None if isinstance(source, str) else None
