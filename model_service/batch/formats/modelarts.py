"""As batch services of ModelArts leave it: a result file per item, and a manifest that names them."""

from __future__ import annotations

import hashlib
import json
import shutil
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model_service.batch.lines import SUCCESSFUL, read_lines

RESULT_FOLDER = "infer-result"
MANIFEST_NAME = "infer-result-0.manifest"  # 0: the number of the instance, of which there is one

_SUFFIX = "_result.txt"
_MAX_NAME_BYTES = 255


def write_modelarts(lines: Path, destination: Path) -> list[Path]:
    """Write ``infer-result/<name>_result.txt`` for every answer, and the manifest.

    Folders of the input are kept below ``infer-result``; sources from everywhere (URLs, absolute paths) lose what they
    have in common. Where a name occurs twice all that have it get their item's number in front.

    Returns:
        What was written: the folder and the manifest.

    Raises:
        OSError: it cannot be written.
    """
    folder = destination / RESULT_FOLDER
    partial = destination / f"{RESULT_FOLDER}.partial"
    for old in (folder, partial):
        shutil.rmtree(old, ignore_errors=True)
    partial.mkdir()
    prefix = _common_folder(lines)
    repeated = _repeated_names(lines, prefix)
    partial_manifest = destination / f"{MANIFEST_NAME}.partial"
    with partial_manifest.open("w", encoding="utf-8", errors="surrogateescape") as manifest:
        made: set[Path] = {partial}
        for entry in read_lines(lines):
            source = entry["source"]
            line = {"source": source, "result": entry["result"]}
            if entry["result"] == SUCCESSFUL:
                name = _result_name(source, prefix, entry["item"], repeated)
                path = partial / name
                if path.parent not in made:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    made = {partial, path.parent}  # sources come in order: the last folder is enough
                path.write_text(json.dumps(entry["answer"], ensure_ascii=False), "utf-8", "surrogateescape")
                line["inference-loc"] = f"{RESULT_FOLDER}/{name}"
            else:
                line["error_message"] = entry["error_message"]
            manifest.write(json.dumps(line, ensure_ascii=False) + "\n")
    partial.rename(folder)
    return [folder, partial_manifest.rename(destination / MANIFEST_NAME)]


def _common_folder(lines: Path) -> str:
    """What all sources begin with, up to a slash, if any of them is absolute; else nothing."""
    common: str | None = None
    is_needed = False
    for entry in read_lines(lines):
        source = entry["source"]
        is_needed = is_needed or source.startswith("/") or "://" in source
        folder = source[: source.rfind("/") + 1]
        common = folder if common is None else _shared(common, folder)
    return (common or "") if is_needed else ""


def _shared(one: str, other: str) -> str:
    """The folders that two paths begin with, up to a slash."""
    while not other.startswith(one):
        one = one[: one.rstrip("/").rfind("/") + 1]
    return one


def _repeated_names(lines: Path, prefix: str) -> frozenset[int]:
    """Digests of the names that occur more than once; eight bytes of memory per item."""
    digests = array("Q", (_digest(_plain_name(entry["source"], prefix)) for entry in read_lines(lines)))
    values, counts = np.unique(np.frombuffer(digests, np.uint64), return_counts=True)
    return frozenset(int(value) for value in values[counts > 1])


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _plain_name(source: str, prefix: str) -> str:
    """A relative path that stays below the result folder whatever the source says."""
    parts = source.removeprefix(prefix).replace("://", "/").replace("\0", "").split("/")
    return "/".join(_kept(parts)) or "item"


def _kept(parts: list[str]) -> Iterator[str]:
    return (part for part in parts if part not in ("", ".", ".."))


def _result_name(source: str, prefix: str, index: int, repeated: frozenset[int]) -> str:
    name = _plain_name(source, prefix)
    folder, slash, last = name.rpartition("/")
    if _digest(name) in repeated:
        last = f"{index}-{last}"
    encoded = last.encode("utf-8", "surrogateescape")
    if len(encoded) > _MAX_NAME_BYTES - len(_SUFFIX):
        head = encoded[: _MAX_NAME_BYTES - len(_SUFFIX) - 17].decode("utf-8", "ignore")
        last = f"{head}-{_digest(last):016x}"
    return f"{folder}{slash}{last}{_SUFFIX}"
