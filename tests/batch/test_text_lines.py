"""Lines and unpacked files, from real files on disk."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from model_service.batch.text_lines import MAX_LINE_BYTES, numbered_lines
from model_service.batch.unpacked import DamagedFile, open_unpacked
from model_service.storage import StorageError


def lines_of(path: Path) -> list[tuple[int, bytes | None]]:
    with open_unpacked(str(path)) as file:
        return list(numbered_lines(file))


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"one", [b"one"]),
        (b"one\n", [b"one\n"]),
        (b"one\r\n\ntwo", [b"one\r\n", b"\n", b"two"]),
        (b"\x1f", [b"\x1f"]),
    ],
)
def test_lines(tmp_path: Path, pack: type[bytes], content: bytes, expected: list[bytes]) -> None:
    (tmp_path / "x").write_bytes(pack(content))
    assert lines_of(tmp_path / "x") == list(enumerate(expected, 1))


def test_a_line_that_is_too_long_is_one_line_without_content(tmp_path: Path) -> None:
    longest = b"x" * (MAX_LINE_BYTES - 1) + b"\n"
    with (tmp_path / "x").open("wb") as file:
        file.writelines([b"one\n", longest, b"y" * 100_000_000, b"\n", b"four\n", b"z" * MAX_LINE_BYTES])
    heard = []
    with open_unpacked(str(tmp_path / "x")) as opened:
        found = list(numbered_lines(opened, lambda content: heard.append(len(content))))
    assert [(number, line and line[:5]) for number, line in found] == [
        (1, b"one\n"),
        (2, b"xxxxx"),
        (3, None),
        (4, b"four\n"),
        (5, b"zzzzz"),
    ]
    assert sum(heard) == (tmp_path / "x").stat().st_size


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"one\ntwo\n")[:-9],
        gzip.compress(b"one\ntwo\n")[:-8] + b"12345678",
        gzip.compress(b"one\n") + b"not packed",
        b"\x1f\x8b\x09" + bytes(20),
    ],
    ids=["cut off", "wrong checksum", "followed by something else", "unknown method"],
)
def test_a_damaged_file_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(DamagedFile, match=r"x.jsonl: damaged: "):
        lines_of(tmp_path / "x.jsonl")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing: cannot be read: No such file or directory"):
        lines_of(tmp_path / "nothing")
