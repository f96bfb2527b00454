"""The journal by itself: what is read back, what is cut off, what is refused, how much of it is held."""

from __future__ import annotations

import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from model_service.batch.journal import Journal, JournalMismatch, Record, discard, locked
from model_service.errors import SettingsError

IDENTITY = {"the input": "abc", "--batch-size": 8}


def record(number: int) -> Record:
    ends = {"predictions.jsonl": 100 * (number + 1)}
    return Record(number, 8 * (number + 1), number, {"predictions.jsonl": 100 * number}, ends, {"predictions.jsonl": 7})


def write(folder: Path, batches: int) -> Path:
    journal = Journal(folder, IDENTITY)
    for number in range(batches):
        journal.add(record(number))
    journal.close()
    return folder / "journal.jsonl"


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path, 3)
    journal = Journal(tmp_path, IDENTITY)
    assert (journal.last, journal.is_complete) == (record(2), False)
    journal.complete()
    journal.close()
    with closing(Journal(tmp_path, IDENTITY)) as again:
        assert again.is_complete


@pytest.mark.parametrize("cut", [1, 30])
def test_a_record_that_was_cut_off_is_none(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, 3)
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    journal = Journal(tmp_path, IDENTITY)
    assert journal.last == record(1)
    journal.add(record(2))
    journal.close()
    assert path.read_bytes() == content


def test_records_are_taken_back_one_by_one(tmp_path: Path) -> None:
    write(tmp_path, 3)
    journal = Journal(tmp_path, IDENTITY)
    journal.complete()
    for number in (1, 0):
        journal.drop_last()
        assert (journal.last, journal.is_complete) == (record(number), False)
    journal.drop_last()
    assert journal.last is None
    journal.add(record(0))
    journal.close()
    with closing(Journal(tmp_path, IDENTITY)) as again:
        assert again.last == record(0)


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 2, "identity": {"the input'])
def test_a_journal_that_was_killed_in_its_first_line_begins_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "journal.jsonl").write_bytes(content)
    assert write(tmp_path, 1).read_bytes().count(b"\n") == 2


def test_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(JournalMismatch, match="--batch-size was 8, is 9") as caught:
        Journal(tmp_path, {**IDENTITY, "--batch-size": 9})
    assert "the input" not in str(caught.value)
    (tmp_path / "journal.jsonl").write_text('{"format": 1, "identity": {}}\n')
    with pytest.raises(JournalMismatch):
        Journal(tmp_path, {})


def test_memory_does_not_grow_with_the_number_of_batches(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        write(tmp_path, 20_000)
        journal = Journal(tmp_path, IDENTITY)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert journal.last == record(19_999)
    journal.close()
    assert peak_bytes < (tmp_path / "journal.jsonl").stat().st_size / 5


def test_a_folder_is_locked_once(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "journal"
    with locked(folder), pytest.raises(SettingsError, match="another run"), locked(folder):
        pass
    with locked(folder):
        assert discard(folder) == frozenset()
        write(folder, 2)
        assert discard(folder) == {"predictions.jsonl"}
        assert [path.name for path in folder.iterdir()] == ["lock"]
