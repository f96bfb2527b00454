"""Answers as one array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_service.batch.formats.arrays import write_array
from model_service.batch.lines import answer_line, failure_line, json_text
from model_service.errors import SettingsError

FAILED = object()
Array = np.ndarray[Any, Any]


def write(folder: Path, *answers: object) -> Array:
    lines = folder / "lines.jsonl"
    with lines.open("wb") as file:
        for index, answer in enumerate(answers):
            source = f"{index}.png"
            line = answer_line(index, source, json_text(answer if answer is not FAILED else None))
            file.write(line if answer is not FAILED else failure_line(index, source, ""))
    (path,) = write_array(lines, folder, len(answers))
    assert path == folder / "predictions.npy"
    assert {found.name for found in folder.iterdir()} == {"lines.jsonl", "predictions.npy"}
    array: Array = np.load(path, allow_pickle=False)
    return array


NAN = float("nan")


@pytest.mark.parametrize(
    ("answers", "kind", "expected"),
    [
        ([3, 1, 4], "i8", [3, 1, 4]),
        ([3, FAILED, 4], "i8", [3, -1, 4]),
        ([FAILED, 0.5], "f8", [NAN, 0.5]),
        ([1, 0.5], "f8", [1, 0.5]),
        ([0.5, NAN], "f8", [0.5, NAN]),
        ([True, False, FAILED], "i8", [1, 0, -1]),
        ([[1, 2], FAILED], "i8", [[1, 2], [-1, -1]]),
        ([[[0.5], [1]], FAILED, [[1], [2]]], "f8", [[[0.5], [1]], [[NAN], [NAN]], [[1], [2]]]),
        ([FAILED, FAILED], "f8", [NAN, NAN]),
        ([2**63, 1], "f8", [2.0**63, 1]),
        ([-(2**63), 2**63 - 1], "i8", [-(2**63), 2**63 - 1]),
        ([[], []], "f8", [[], []]),
    ],
)
def test_arrays(tmp_path: Path, answers: list[object], kind: str, expected: list[Any]) -> None:
    array = write(tmp_path, *answers)
    assert array.dtype == np.dtype(kind)
    np.testing.assert_array_equal(array, np.array(expected, kind))


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([1, "x"], "item 1 (1.png) is not made of numbers; name the part that is with --select"),
        ([{"label": 1}], "item 0 (0.png) is not made of numbers"),
        ([None], "item 0 (0.png) is not made of numbers"),
        ([2**64], "item 0 (0.png) is not made of numbers"),
        ([[1, [2]]], "item 0 (0.png) is not made of numbers"),
        ([[1, 2], FAILED, [1, 2, 3]], "item 2 (2.png) has the shape [3], those before have [2]"),
        ([1, [1]], "item 1 (1.png) has the shape [1], those before have []"),
    ],
)
def test_answers_that_are_no_array(tmp_path: Path, answers: list[object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        write(tmp_path, *answers)
    assert str(caught.value).startswith(f"--format npy: the answer of {message}")
    assert str(caught.value).endswith("run the same command again with --format jsonl")
    assert not (tmp_path / "predictions.npy").exists()


def test_a_form_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "predictions.npy.unfinished").write_bytes(b"half" * 1000)
    (tmp_path / "predictions.npy").write_bytes(b"of another --select")
    np.testing.assert_array_equal(write(tmp_path, 1, 2), [1, 2])


def test_a_full_disk_is_an_error_and_no_crash(tmp_path: Path) -> None:
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(answer_line(0, "x", json_text([0.5] * 10_000)))
    (tmp_path / "predictions.npy.unfinished").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_array(lines, tmp_path, 1)
