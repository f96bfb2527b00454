"""Fixtures of the client's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from .servers import Recorder


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)
