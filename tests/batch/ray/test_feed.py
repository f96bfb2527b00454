"""Batches for another process, over the real socket."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from model_service.batch.items import Batch, Item, ValueContent
from model_service.batch.outcome import CannotGoOn
from model_service.batch.ray.feed import Feed, read_feed
from model_service.errors import SettingsError


def batches(count: int) -> Iterator[Batch]:
    for number in range(count):
        yield Batch(number, (Item(number, f"in#{number}", ValueContent({"value": number})),))


def read_all(path: Path) -> list[Batch]:
    return [pickle.loads(content) for content in read_feed(path)]


def test_all_batches_arrive_in_order(tmp_path: Path) -> None:
    with Feed(batches(50), tmp_path) as feed:
        assert read_all(feed.path) == list(batches(50))
        assert (feed.count, feed.error) == (50, None)


def test_one_batch_at_most_is_made_ahead(tmp_path: Path) -> None:
    made = 0

    def endless() -> Iterator[Batch]:
        nonlocal made
        for batch in batches(1_000_000):
            made += 1
            yield batch

    with Feed(endless(), tmp_path) as feed:
        reader = read_feed(feed.path)
        for _ in range(10):
            next(reader)
        assert made <= 11
    assert made <= 11


def test_what_the_source_raises_is_kept_and_what_came_before_arrives(tmp_path: Path) -> None:
    def broken() -> Iterator[Batch]:
        yield from batches(3)
        raise SettingsError("in.csv, line 4: no CSV")

    with Feed(broken(), tmp_path) as feed:
        assert len(read_all(feed.path)) == 3
        assert isinstance(feed.error, SettingsError)


def test_a_reader_that_comes_again_gets_nothing_and_that_is_an_error(tmp_path: Path) -> None:
    """A task of Ray that is repeated must not go on in the middle as if nothing had been lost."""
    with Feed(batches(10), tmp_path) as feed:
        first = read_feed(feed.path)
        next(first)
        first.close()  # type: ignore[attr-defined] # it is a generator
        assert read_all(feed.path) == []
        assert isinstance(feed.error, CannotGoOn)
        assert "run the same command again" in str(feed.error)


@pytest.mark.parametrize("source", [batches(0), batches(1000)])
def test_a_feed_that_nobody_reads_ends_at_once(tmp_path: Path, source: Iterable[Batch]) -> None:
    began = time.monotonic()
    with Feed(source, tmp_path):
        pass
    assert time.monotonic() - began < 5
    assert list(tmp_path.iterdir()) == []
