"""The JSON lines of results."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from model_service.batch.lines import answer_line, failure_line, json_text, read_lines

NOT_UTF8 = os.fsdecode(b"caf\xe9.png")


def test_the_lines_are_exactly_these(tmp_path: Path) -> None:
    lines = answer_line(0, "a/ü.png", b'{"label": "3"}') + failure_line(12, 'b"\n.png', "no\nimage")
    assert lines.decode() == (
        '{"item": 0, "source": "a/ü.png", "result": "SUCCESSFUL", "answer": {"label": "3"}}\n'
        '{"item": 12, "source": "b\\"\\n.png", "result": "FAILED", "error_message": "no\\nimage"}\n'
    )
    (tmp_path / "x.jsonl").write_bytes(lines)
    assert [entry["source"] for entry in read_lines(tmp_path / "x.jsonl")] == ["a/ü.png", 'b"\n.png']


@pytest.mark.parametrize("source", [NOT_UTF8, "half \ud800 a character", "\0", "\u2028", "\U0001f600"])
def test_every_name_survives_as_valid_json(tmp_path: Path, source: str) -> None:
    lines = answer_line(0, source, b"1") + failure_line(1, source, source)
    lines.decode("utf-8")
    assert lines.count(b"\n") == 2
    (tmp_path / "x.jsonl").write_bytes(lines)
    first, second = read_lines(tmp_path / "x.jsonl")
    assert first["source"] == second["source"] == second["error_message"] == source


def test_json_text_is_as_short_as_valid_unicode_allows() -> None:
    assert json_text({"ü": [1.0, None]}) == '{"ü": [1.0, null]}'.encode()
    assert json.loads(json_text({"ü": NOT_UTF8})) == {"ü": NOT_UTF8}
