"""What differs between two packages."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from model_packaging.facts_text import tensor_text
from model_packaging.package_facts import file_facts, model_facts, weights_digest
from model_service.package.layout import CONFIG_NAME, MODEL_FOLDER_NAME, find_package
from model_service.package.manifest import shown
from model_service.package.schema import child_pointer

_CONFIG_PATH = f"{MODEL_FOLDER_NAME}/{CONFIG_NAME}"
_CODE_SUFFIX = ".py"
_TEXT_SUFFIXES = (_CODE_SUFFIX, ".json", ".txt", ".md", ".csv", ".yaml", ".yml", ".cfg", ".ini", ".toml", ".sh")
_MAX_TEXT_BYTES = 1 << 20
_MAX_VALUE_CHARACTERS = 200
_ABSENT = "(absent)"
_INDENT = "  "


def differences(old: Path, new: Path) -> list[str]:
    """Return what differs between the packages in two folders, as lines; empty if nothing does.

    Raises:
        PackageError: there is no package in one of them.
        OSError: a file cannot be read.
    """
    layouts = find_package(old), find_package(new)
    folders = layouts[0].model_directory, layouts[1].model_directory
    listed = [file_facts(folder) for folder in folders]
    files = [{file["path"]: file for file in each} for each in listed]
    changed = [path for path in files[0] if path in files[1] and files[0][path]["sha256"] != files[1][path]["sha256"]]
    lines = [
        *_file_lines("removed", files[0], files[1]),
        *_file_lines("added", files[1], files[0]),
        *(f"changed: {shown(path)} ({_sizes(files[0][path], files[1][path])})" for path in changed),
    ]
    if not lines:
        return []
    weights = [weights_digest(each) for each in listed]
    lines.append(f"weights: {'the same' if weights[0] == weights[1] else 'changed'}")
    models = [_flat_model(model_facts(layout)) for layout in layouts]
    model = list(_changes("", models[0], models[1], quotes=False))
    lines += ["model", *(f"{_INDENT}{line}" for line in model)] if model else []
    code = {path for path in {*files[0]} ^ {*files[1]} if path.endswith(_CODE_SUFFIX)}
    for path in sorted({*changed, *code}):
        lines += _content_lines(path, folders)
    return lines


def _file_lines(label: str, there: Mapping[str, Any], gone: Mapping[str, Any]) -> Iterator[str]:
    for path, file in there.items():
        if path not in gone:
            yield f"{label}: {shown(path)} ({file['size_bytes']:,} bytes)"


def _sizes(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if old["size_bytes"] == new["size_bytes"]:
        return f"{old['size_bytes']:,} bytes, as before"
    return f"{old['size_bytes']:,} -> {new['size_bytes']:,} bytes"


def _flat_model(model: Mapping[str, Any] | None) -> dict[str, str]:
    """What the model is, one name and text each."""
    if model is None:
        return {}
    flat = {"written by TensorFlow": str(model.get("tensorflow_version"))}
    if "problem" in model:
        flat["problem"] = model["problem"]
    signature = model.get("signature")
    if signature is not None:
        flat["signature"] = signature["name"]
        for side in ("inputs", "outputs"):
            flat |= {f"{side[:-1]} {name}": tensor_text(spec) for name, spec in signature[side].items()}
    return flat


def _content_lines(path: str, folders: tuple[Path, Path]) -> list[str]:
    texts = [_text(folder / path.removeprefix(f"{MODEL_FOLDER_NAME}/")) for folder in folders]
    if None in texts or not path.endswith(_TEXT_SUFFIXES):
        return []
    old, new = (text or "" for text in texts)
    if path == _CONFIG_PATH:
        try:
            changes = list(_changes("", json.loads(old), json.loads(new)))
            return [path, *(f"{_INDENT}{line}" for line in changes or ["the same values, written another way"])]
        except (ValueError, RecursionError):
            pass  # not JSON: compared as text
    diff = difflib.unified_diff(old.splitlines(), new.splitlines(), path, path, lineterm="")
    return list(diff)


def _text(path: Path) -> str | None:
    """The text of a file, "" if it is absent; None if it is none or too long to show."""
    if not path.exists():
        return ""
    if path.stat().st_size > _MAX_TEXT_BYTES:
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return None


def _changes(pointer: str, old: Any, new: Any, quotes: bool = True) -> Iterator[str]:
    """Where two JSON values differ: a pointer, the old and the new value; arrays are compared by index."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            place = child_pointer(pointer, key) if quotes else key
            yield from _changes(place, old.get(key, _Absent), new.get(key, _Absent), quotes)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            was, now = (each[index] if index < len(each) else _Absent for each in (old, new))
            yield from _changes(f"{pointer}/{index}", was, now, quotes)
    elif old is _Absent or new is _Absent or old != new or type(old) is not type(new):
        yield f"{pointer or '(whole)'}: {_shown(old, quotes)} -> {_shown(new, quotes)}"


class _Absent:
    """Stands for a value that is not there."""


def _shown(value: Any, quotes: bool) -> str:
    if value is _Absent:
        return _ABSENT
    text = json.dumps(value, ensure_ascii=False) if quotes else str(value)
    return text if len(text) <= _MAX_VALUE_CHARACTERS else f"{text[:_MAX_VALUE_CHARACTERS]}..."
