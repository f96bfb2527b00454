"""Results as one Parquet file: ``item``, ``source``, ``result``, ``error_message`` and the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from model_service.batch.lines import read_lines
from model_service.errors import SettingsError

PARQUET_NAME = "predictions.parquet"

_ROWS_PER_GROUP = 10_000


def check_parquet() -> None:
    """Raise SettingsError if the library that writes Parquet is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise SettingsError(
            "--format parquet needs pyarrow; install it with: pip install 'tf-model-service[parquet]'"
        ) from None


def write_parquet(lines: Path, destination: Path) -> list[Path]:
    """Write ``predictions.parquet``.

    An object becomes a column per key, ``answer.<key>``, any other answer the column ``answer``. A column whose values
    have no type in common is JSON text.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, as_text = _schema(lines)
    path = destination / PARQUET_NAME
    partial = destination / f"{PARQUET_NAME}.partial"
    with pq.ParquetWriter(partial, schema) as writer:
        for rows in _groups(lines):
            writer.write_table(pa.Table.from_pylist([_with_text(row, as_text) for row in rows], schema))
    return [partial.rename(path)]


def _groups(lines: Path) -> Iterator[list[dict[str, Any]]]:
    entries = read_lines(lines)
    while group := list(islice(entries, _ROWS_PER_GROUP)):
        yield [_row(entry) for entry in group]


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    answer = entry.pop("answer", None)
    if isinstance(answer, dict):
        return {**entry, **{f"answer.{key}": value for key, value in answer.items()}}
    return {**entry, "answer": answer} if answer is not None else entry


def _with_text(row: dict[str, Any], as_text: set[str]) -> dict[str, Any]:
    return {name: json.dumps(value, ensure_ascii=False) if name in as_text else value for name, value in row.items()}


def _schema(lines: Path) -> tuple[Any, set[str]]:
    """One pass over everything: the type that all values of each column have in common."""
    import pyarrow as pa

    types: dict[str, Any] = {
        "item": pa.int64(),
        "source": pa.string(),
        "result": pa.string(),
        "error_message": pa.string(),
    }
    as_text: set[str] = set()
    for rows in _groups(lines):
        columns: dict[str, list[Any]] = {}
        for row in rows:
            for name, value in row.items():
                columns.setdefault(name, []).append(value)
        for name, values in columns.items():
            if name in as_text:
                continue
            try:
                found = pa.array(values).type  # infer_type() overlooks lists of text and numbers
                known = types.get(name, found)
                merged = pa.unify_schemas(
                    [pa.schema({"c": known}), pa.schema({"c": found})], promote_options="permissive"
                )
                types[name] = merged.field("c").type
            except pa.ArrowException:
                as_text.add(name)
                types[name] = pa.string()
    plain = {name: pa.string() if pa.types.is_null(kind) else kind for name, kind in types.items()}
    return pa.schema(plain), as_text
