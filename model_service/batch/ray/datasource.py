"""How batches get into Ray Data: a read task on the driver's node asks the driver for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from model_service.batch.ray.feed import read_feed


class FeedDatasource(Datasource):  # type: ignore[misc] # Ray comes without types
    """One task, which makes a block of each batch.

    Args:
        path: the socket of a :class:`model_service.batch.ray.feed.Feed`.
    """

    def __init__(self, path: Path):
        super().__init__()
        self._path = path

    @property
    def supports_distributed_reads(self) -> bool:
        """The socket can be reached on the driver's node only."""
        return False

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown: the batches are not made yet."""
        return None

    def get_read_tasks(self, *arguments: object, **options: object) -> list[ReadTask]:
        """One, however many Ray would like."""
        path = self._path
        return [ReadTask(lambda: _blocks(path), BlockMetadata(None, None, None, None))]


def _blocks(path: Path) -> Iterator[pa.Table]:
    for content in read_feed(path):
        yield pa.table({"batch": pa.array([content], pa.large_binary())})
