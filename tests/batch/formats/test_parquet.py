"""Results as a Parquet file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model_service.batch.formats.parquet import write_parquet
from model_service.batch.lines import answer_line, failure_line, json_text

FAILED = object()
FIXED = ["item", "source", "result", "error_message"]


def write(folder: Path, *answers: object, sources: list[str] | None = None) -> Any:
    names = sources or [f"{index}.png" for index in range(len(answers))]
    lines = folder / "lines.jsonl"
    with lines.open("wb") as file:
        for index, (source, answer) in enumerate(zip(names, answers, strict=True)):
            is_failed = answer is FAILED
            file.write(
                failure_line(index, source, "no") if is_failed else answer_line(index, source, json_text(answer))
            )
    (path,) = write_parquet(lines, folder)
    assert path == folder / "predictions.parquet"
    assert {found.name for found in folder.iterdir()} == {"lines.jsonl", "predictions.parquet"}
    table = pq.read_table(path)
    assert table.num_rows == len(answers)
    assert table.column_names[:4] == FIXED
    return table


def column(table: Any, name: str) -> tuple[str, list[Any]]:
    return str(table.schema.field(name).type), table.column(name).to_pylist()


def test_objects_have_a_column_per_key(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        {"label": "3", "scores": [0.5, 1], "box": {"x": 1}},
        FAILED,
        {"label": None, "scores": [], "extra": True},
    )
    assert table.to_pylist() == [
        {
            "item": 0,
            "source": "0.png",
            "result": "SUCCESSFUL",
            "error_message": None,
            "answer.label": "3",
            "answer.scores": [0.5, 1.0],
            "answer.box": {"x": 1},
            "answer.extra": None,
        },
        {
            "item": 1,
            "source": "1.png",
            "result": "FAILED",
            "error_message": "no",
            "answer.label": None,
            "answer.scores": None,
            "answer.box": None,
            "answer.extra": None,
        },
        {
            "item": 2,
            "source": "2.png",
            "result": "SUCCESSFUL",
            "error_message": None,
            "answer.label": None,
            "answer.scores": [],
            "answer.box": None,
            "answer.extra": True,
        },
    ]
    assert str(table.schema.field("answer.scores").type).startswith("list<")


@pytest.mark.parametrize(
    ("answers", "kind", "expected"),
    [
        ([1, 2], "int64", [1, 2]),
        ([1, 2.5, FAILED], "double", [1.0, 2.5, None]),
        ([[1], [2.5]], "list<element: double>", [[1.0], [2.5]]),
        ([[[1]], [[2.5], []]], "list<element: list<element: double>>", [[[1.0]], [[2.5], []]]),
        ([True, None], "bool", [True, None]),
        ([None, "x"], "string", [None, "x"]),
        (["ü", ""], "string", ["ü", ""]),
        ([1, "x"], "string", ["1", '"x"']),
        ([True, 1], "string", ["true", "1"]),
        ([[1], 1], "string", ["[1]", "1"]),
        ([[1, "x"]], "string", ['[1, "x"]']),
        ([[["x", 0.5], ["y", 1]]], "string", ['[["x", 0.5], ["y", 1]]']),
        ([2**70], "string", [str(2**70)]),
        ([2**60, 0.5], "string", [str(2**60), "0.5"]),
        ([[{}]], "string", ["[{}]"]),
        (["half \ud800 a character"], "string", ['"half \\ud800 a character"']),
        ([{"a": 1}, 2], "int64", [None, 2]),
    ],
)
def test_the_type_that_all_values_have_in_common_else_json_text(
    tmp_path: Path, answers: list[object], kind: str, expected: list[object]
) -> None:
    found, values = column(write(tmp_path, *answers), "answer")
    assert (found.replace("item:", "element:"), values) == (kind, expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([{}, {}], ["{}", "{}"]),
        ([{"b": {}}], ['{"b": {}}']),
        ([{"b": 1}, {"c": "x"}], [{"b": 1, "c": None}, {"b": None, "c": "x"}]),
        ([{"b": 1}, {"b": "x"}], ['{"b": 1}', '{"b": "x"}']),
        ([{"b": 1}, [1]], ['{"b": 1}', "[1]"]),
        ([{"half \ud800": 1}], ['{"half \\ud800": 1}']),
    ],
)
def test_objects_within_objects(tmp_path: Path, values: list[object], expected: list[object]) -> None:
    table = write(tmp_path, *({"a": value} for value in values))
    assert column(table, "answer.a")[1] == expected


def test_keys_that_are_no_unicode_or_look_like_ours(tmp_path: Path) -> None:
    table = write(tmp_path, {"half \ud800": 1, "item": 2, "": 3})
    assert table.column_names == [*FIXED, "answer.half \\ud800", "answer.item", "answer."]


def test_a_type_that_changes_far_down(tmp_path: Path) -> None:
    """In parts of their own the values have types; all together they have none."""
    answers: list[object] = [*([1] * 10_001), *([0.5] * 10_000), 2**60]
    kind, values = column(write(tmp_path, *answers), "answer")
    assert (kind, values[0], values[-2], values[-1]) == ("string", "1", "0.5", str(2**60))
    kind, values = column(write(tmp_path, *answers[:-1], "x"), "answer")
    assert (kind, values[0], values[-1]) == ("string", "1", '"x"')
    kind, values = column(write(tmp_path, *answers[:-1]), "answer")
    assert (kind, values[0], values[-1]) == ("double", 1.0, 0.5)


def test_large_answers_are_written_a_few_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, *(["x" * 8_000_000] * 5))
    assert pq.ParquetFile(tmp_path / "predictions.parquet").num_row_groups == 3


def test_objects_with_a_key_per_item_do_not_become_as_many_columns(tmp_path: Path) -> None:
    table = write(tmp_path, *({f"image-{number}": number} for number in range(1500)))
    assert table.column_names == [*FIXED, "answer"]
    assert json.loads(table.column("answer").to_pylist()[1499]) == {"image-1499": 1499}
    inner = write(tmp_path, *({"scores": {f"image-{number}": number}} for number in range(1500)))
    assert column(inner, "answer.scores")[0] == "string"


def test_names_of_files_that_are_no_utf8(tmp_path: Path) -> None:
    source = os.fsdecode(b"caf\xe9.png")
    assert column(write(tmp_path, 1, sources=[source]), "source")[1] == ["caf\\udce9.png"]


def test_all_items_failed(tmp_path: Path) -> None:
    assert write(tmp_path, FAILED, FAILED).column_names == FIXED


def test_a_form_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "predictions.parquet.unfinished").write_bytes(b"half" * 1000)
    (tmp_path / "predictions.parquet").write_bytes(b"of another --select")
    assert column(write(tmp_path, 1), "answer") == (str(pa.int64()), [1])
