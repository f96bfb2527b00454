"""Labels, from IDX files, arrays, CSV files, or manifests of labelled data."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model_service.evaluation.arrays import first_bytes, is_array_file, load_array, names_in_array
from model_service.evaluation.class_names import class_name, clean, shown
from model_service.evaluation.errors import EvaluationError
from model_service.evaluation.json_lines import JsonObject, read_json_lines, source_of
from model_service.idx import GZIP_MAGIC, is_idx, read_idx

_LABELS_IN_FOLDER = ("t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz")
_LABEL_HEADERS = frozenset({"label", "labels", "class", "class_name", "category", "target", "truth"})
_SOURCE_HEADERS = frozenset({"source", "file", "filename", "file_name", "image", "path", "name"})
_SNIFFED_BYTES = 4096


@dataclass(frozen=True)
class Labels:
    """The true classes of N items: ``names``, and ``sources`` if the file says which inputs they belong to."""

    path: Path
    names: tuple[str, ...]
    sources: tuple[str, ...] | None = None


def read_labels(path: Path) -> Labels:
    """Read labels; the kind of file is found by its content.

    Args:
        path: an IDX file of integers [N] (plain or gzip), an integer or text array [N] in ``.npy``, a CSV file with
            ``source,label`` or one label a line, a manifest with ``annotation`` or ``label``, or a folder with the
            t10k label file of MNIST.

    Raises:
        EvaluationError: unreadable, or something in it is no label; the message names the line.
        IdxError: a damaged IDX file.
    """
    if path.is_dir():
        path = _in_folder(path)
    head = first_bytes(path, _SNIFFED_BYTES)
    if is_array_file(path):
        labels = _from_array(path)
    elif head.startswith(GZIP_MAGIC) or is_idx(head):
        labels = _from_idx(path)
    elif head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
        labels = _from_manifest(path)
    else:
        labels = _from_csv(path)
    if not labels.names:
        raise EvaluationError(f"{path}: holds no labels")
    return labels


def _in_folder(folder: Path) -> Path:
    for name in _LABELS_IN_FOLDER:
        if (folder / name).is_file():
            return folder / name
    found = ", ".join(sorted(child.name for child in folder.iterdir())[:10]) or "nothing"
    raise EvaluationError(f"{folder}: holds no {' or '.join(_LABELS_IN_FOLDER)}. Name the file; found: {found}")


def _from_array(path: Path) -> Labels:
    array = load_array(path)
    names = names_in_array(array)
    if names is None:
        remedy = " numpy.argmax(labels, axis=1) makes them of one-hot rows." if array.ndim == 2 else ""
        raise EvaluationError(
            f"{path}: {array.dtype} {list(array.shape)} are no labels. Save class numbers, integer [N].{remedy}"
        )
    return Labels(path, names)


def _from_idx(path: Path) -> Labels:
    if not is_idx(_unpacked_head(path)):
        raise EvaluationError(f"{path}: a packed file, and no IDX file in it. Unpack it first.")
    array = read_idx(path)
    names = names_in_array(array)
    if names is None:
        remedy = " Is this the file with the images?" if array.ndim > 2 else ""
        raise EvaluationError(f"{path}: {array.dtype} {list(array.shape)} are no labels, integers [N] are.{remedy}")
    return Labels(path, names)


def _unpacked_head(path: Path) -> bytes:
    head = first_bytes(path, 4)
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        with gzip.open(path) as file:
            return file.read(4)
    except (EOFError, zlib.error, OSError) as error:
        raise EvaluationError(f"{path}: the gzip data is damaged ({error}). Fetch the file again.") from error


def _from_manifest(path: Path) -> Labels:
    names, sources = [], []
    for line, entry in read_json_lines(path):
        place = f"{path} line {line}"
        names.append(_label_in_entry(place, entry))
        sources.append(source_of(entry))
    return Labels(path, tuple(names), _all_or_none(path, sources))


def _label_in_entry(place: str, entry: JsonObject) -> str:
    if "label" in entry:
        value = entry["label"]
    elif "annotation" in entry:
        annotations = entry["annotation"] if isinstance(entry["annotation"], list) else [entry["annotation"]]
        named = [part.get("name") if isinstance(part, dict) else part for part in annotations]
        if len({shown(name) for name in named}) != 1:
            raise EvaluationError(
                f"{place}: {len(named)} annotations: {shown(named)}. Each item needs exactly one class."
            )
        value = named[0]
    else:
        raise EvaluationError(f"{place}: has neither annotation nor label; it has: {', '.join(entry) or 'nothing'}")
    name = class_name(value)
    if name is None:
        raise EvaluationError(f"{place}: the label {shown(value)} is neither a text nor a whole number")
    return name


def _all_or_none(path: Path, sources: list[str | None]) -> tuple[str, ...] | None:
    known = tuple(source for source in sources if source is not None)
    if 0 < len(known) < len(sources):
        raise EvaluationError(
            f"{path}: label {sources.index(None)} (counted from 0) names no source, others do. Give all one, or none."
        )
    return known or None


def _from_csv(path: Path) -> Labels:
    rows = list(_csv_rows(path))
    source_column, label_column, has_header = _columns(rows[0][1]) if rows else (None, 0, False)
    wanted = len(rows[0][1]) if rows else 1
    names, sources = [], []
    for line, row in rows[has_header:]:
        if len(row) != wanted:
            raise EvaluationError(
                f"{path} line {line}: {len(row)} columns, the first line has {wanted}: {shown(row)}. "
                "Put text that holds commas between double quotes."
            )
        if wanted > 2 and not has_header:
            raise EvaluationError(
                f"{path} line {line}: {wanted} columns and no header. Give source,label or a label alone on each line, "
                "or a header that names the columns source and label."
            )
        name = class_name(row[label_column])
        if name is None:
            raise EvaluationError(f"{path} line {line}: the label is empty")
        names.append(name)
        if source_column is not None:
            sources.append(clean(row[source_column]) or None)
    return Labels(path, tuple(names), _all_or_none(path, sources))


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path}: no kind of label file that is known, and as CSV it is not UTF-8") from error
    except csv.Error as error:
        raise EvaluationError(f"{path} line {reader.line_num}: not CSV: {error}") from error


def _columns(first: list[str]) -> tuple[int | None, int, bool]:
    """Find the columns of source and label, and whether ``first`` is a header."""
    cells = [cell.strip().casefold() for cell in first]
    label = next((column for column, cell in enumerate(cells) if cell in _LABEL_HEADERS), None)
    source = next((column for column, cell in enumerate(cells) if cell in _SOURCE_HEADERS), None)
    if source is None and label is not None and len(cells) == 2 and "." not in cells[1 - label]:
        source = 1 - label
    if label is not None and (source is not None or len(cells) == 1):
        return source, label, True
    return (None, 0, False) if len(cells) == 1 else (0, 1, False)
