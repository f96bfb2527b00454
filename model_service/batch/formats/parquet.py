"""Results as one Parquet file: ``item``, ``source``, ``result``, ``error_message`` and the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_service.batch.formats import UNFINISHED
from model_service.batch.lines import json_text, read_lines
from model_service.errors import SettingsError

PARQUET_NAME = "predictions.parquet"

_ROWS_PER_GROUP = 10_000
_VALUES_PER_GROUP = 2_000_000
_MAX_COLUMNS = 1000

Row = dict[str, Any]


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
    have no type in common that Parquet has is JSON text; so is the column ``answer`` of objects with more than 1,000
    different keys.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = destination / PARQUET_NAME
    unfinished = destination / f"{PARQUET_NAME}{UNFINISHED}"
    columns = _find_columns(lines)
    while True:  # a column at a time turns out not to be of the type that its parts seemed to have in common
        schema = pa.schema(columns.types)
        try:
            with pq.ParquetWriter(unfinished, schema) as writer:
                for rows in _groups(lines, columns.is_split):
                    writer.write_table(pa.table([columns.array(name, rows) for name in columns.types], schema=schema))
            return [unfinished.rename(path)]
        except _NoSuchType as fault:
            columns.make_text(fault.column)


class _NoSuchType(Exception):
    """A value is not of the type of its column."""

    def __init__(self, column: str):
        super().__init__(column)
        self.column = column


@dataclass
class _Columns:
    """Names and types of the columns.

    Attributes:
        types: by name, an Arrow type.
        texts: those of them that hold JSON text.
        is_split: objects have a column per key.
    """

    types: dict[str, Any]
    texts: set[str]
    is_split: bool

    def make_text(self, name: str) -> None:
        """Give up finding a type for a column."""
        import pyarrow as pa

        self.texts.add(name)
        self.types[name] = pa.string()

    def array(self, name: str, rows: list[Row]) -> Any:
        """Make the values of a column an Arrow array."""
        import pyarrow as pa

        values = [row.get(name) for row in rows]
        if name in self.texts:
            values = [None if value is None else json_text(value).decode() for value in values]
        try:
            return pa.array(values, self.types[name])
        except (pa.ArrowException, OverflowError, UnicodeError) as error:
            raise _NoSuchType(name) from error


def _find_columns(lines: Path) -> _Columns:
    """Go through everything once, for the type that all values of each column have in common."""
    import pyarrow as pa

    fixed = {"item": pa.int64(), "source": pa.string(), "result": pa.string(), "error_message": pa.string()}
    columns = _Columns(dict(fixed), set(), is_split=True)
    for rows in _groups(lines, is_split=True):
        for name in {name: None for row in rows for name in row if name not in fixed}:
            if name not in columns.texts:
                _widen(columns, name, [row.get(name) for row in rows])
        if len(columns.types) > _MAX_COLUMNS:
            return _Columns({**fixed, "answer": pa.string()}, {"answer"}, is_split=False)
    for name, kind in columns.types.items():
        if pa.types.is_null(kind):
            columns.types[name] = pa.string()
    return columns


def _widen(columns: _Columns, name: str, values: list[Any]) -> None:
    """Have the type of a column take these values too."""
    import pyarrow as pa

    try:
        found = pa.array(values).type  # infer_type() overlooks lists of text and numbers
        both = [pa.schema({name: kind}) for kind in (columns.types.get(name, found), found)]
        merged = pa.unify_schemas(both, promote_options="permissive").field(name).type
    except (pa.ArrowException, OverflowError, UnicodeError):
        columns.make_text(name)
        return
    if _is_storable(merged):
        columns.types[name] = merged
    else:
        columns.make_text(name)


def _is_storable(kind: Any) -> bool:
    """Whether Parquet has a type: it has no objects without keys, and none of ours have a thousand."""
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return 0 < kind.num_fields <= _MAX_COLUMNS and all(_is_storable(field.type) for field in kind)
    return _is_storable(kind.value_type) if pa.types.is_list(kind) else True


def _groups(lines: Path, is_split: bool) -> Iterator[list[Row]]:
    """Rows, as many as fit in memory whatever the size of an answer."""
    rows: list[Row] = []
    values = 0
    for entry in read_lines(lines):
        rows.append(_row(entry, is_split))
        values += _size(entry.get("answer"))
        if len(rows) >= _ROWS_PER_GROUP or values >= _VALUES_PER_GROUP:
            yield rows
            rows, values = [], 0
    if rows:
        yield rows


def _size(answer: Any) -> int:
    """About how many values an answer has; a text counts one for every eight characters."""
    if isinstance(answer, list):
        return 1 + sum(map(_size, answer))
    if isinstance(answer, dict):
        return 1 + sum(map(_size, answer.values()))
    return 1 + len(answer) // 8 if isinstance(answer, str) else 1


def _row(entry: Mapping[str, Any], is_split: bool) -> Row:
    row = {name: _storable_text(value) for name, value in entry.items() if name != "answer"}
    answer = entry.get("answer")
    if is_split and isinstance(answer, dict):
        return {**row, **{_storable_text(f"answer.{key}"): value for key, value in answer.items()}}
    return row if answer is None else {**row, "answer": answer}


def _storable_text(value: Any) -> Any:
    """Text that is UTF-8; the bytes of file names that are not become escapes."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
