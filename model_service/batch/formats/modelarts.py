"""As batch services of ModelArts leave it: a result file per item, and a manifest that names them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from model_service.batch.formats import UNFINISHED
from model_service.batch.lines import SUCCESSFUL, json_text, read_lines
from model_service.storage import is_url

RESULT_FOLDER = "infer-result"
MANIFEST_NAME = "infer-result-0.manifest"  # 0: the number of the instance, of which there is one

_SUFFIX = "_result.txt"
_MAX_NAME_BYTES = 255
_MAX_FOLDERS_BYTES = 1024
_DIGEST_CHARACTERS = 16


def write_modelarts(lines: Path, destination: Path) -> list[Path]:
    """Write ``infer-result/<name>_result.txt`` for every answer, and the manifest.

    Folders of the input are kept below ``infer-result``; sources from everywhere (URLs, absolute paths) lose what they
    have in common. Where a name is taken already, by the same source once more say, the item's number stands in front.

    Returns:
        What was written: the folder and the manifest.

    Raises:
        OSError: it cannot be written.
    """
    folder = destination / RESULT_FOLDER
    unfinished = destination / f"{RESULT_FOLDER}{UNFINISHED}"
    for old in (folder, unfinished):
        shutil.rmtree(old, ignore_errors=True)
    unfinished.mkdir()
    prefix = _common_folder(lines)
    unfinished_manifest = destination / f"{MANIFEST_NAME}{UNFINISHED}"
    with unfinished_manifest.open("wb") as manifest:
        for entry in read_lines(lines):
            line = {"source": entry["source"], "result": entry["result"]}
            if entry["result"] == SUCCESSFUL:
                name = _write_result(unfinished, _result_names(entry, prefix), json_text(entry["answer"]))
                line["inference-loc"] = f"{RESULT_FOLDER}/{name}"
            else:
                line["error_message"] = entry["error_message"]
            manifest.write(json_text(line) + b"\n")
    unfinished.rename(folder)
    return [folder, unfinished_manifest.rename(destination / MANIFEST_NAME)]


def _write_result(folder: Path, names: Iterator[str], content: bytes) -> str:
    """Write a new file under the first name that is free, which is returned."""
    for name in names:
        path = folder / name
        try:
            try:
                file = path.open("xb")
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
        with file:
            file.write(content)
        return name
    raise AssertionError("there is always another name")


def _common_folder(lines: Path) -> str:
    """What all sources begin with, up to a slash, if any of them is absolute; else nothing."""
    common: str | None = None
    is_needed = False
    for entry in read_lines(lines):
        source = entry["source"]
        is_needed = is_needed or source.startswith("/") or is_url(source)
        folder = source[: source.rfind("/") + 1]
        common = folder if common is None else _shared(common, folder)
    return (common or "") if is_needed else ""


def _shared(one: str, other: str) -> str:
    """The folders that two paths begin with, up to a slash."""
    while not other.startswith(one):
        one = one[: one.rstrip("/").rfind("/") + 1]
    return one


def _result_names(entry: dict[str, Any], prefix: str) -> Iterator[str]:
    """Names for the result of an item, best first: relative paths that stay below the result folder.

    After the first they have the item's number in front; after the second they lie in no folder, whose name may be that
    of a file.
    """
    source, index = entry["source"], entry["item"]
    path = source.removeprefix(prefix).replace("\0", "").replace("://", "/")
    *folders, last = [part for part in path.split("/") if part not in ("", ".", "..")] or ["item"]
    folder = "".join(f"{_shortened(part, _MAX_NAME_BYTES)}/" for part in folders)
    if len(_as_bytes(folder)) > _MAX_FOLDERS_BYTES:
        folder = f"{_digest(folder)}/"
    longest = _MAX_NAME_BYTES - len(_SUFFIX)
    yield f"{folder}{_shortened(last, longest)}{_SUFFIX}"
    yield f"{folder}{_shortened(f'{index}-{last}', longest)}{_SUFFIX}"
    for number in count():
        yield f"{_shortened(f'{index}-{number}-{last}', longest)}{_SUFFIX}"


def _shortened(name: str, max_bytes: int) -> str:
    """A name that any file system takes; what is cut off it is told apart by a digest."""
    encoded = _as_bytes(name)
    if len(encoded) > max_bytes:
        head = encoded[: max_bytes - _DIGEST_CHARACTERS - 1].decode("utf-8", "ignore")
        return f"{head}-{_digest(name)}"
    return encoded.decode("utf-8", "surrogateescape")


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]


def _as_bytes(name: str) -> bytes:
    """As files are named; half a character, which JSON can hold and file names cannot, becomes a question mark."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "replace")
