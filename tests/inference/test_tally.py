from __future__ import annotations

import logging

import pytest

from model_service.inference.tally import ViolationTally


def test_every_violation_counts_and_few_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    tally = ViolationTally("an answer")
    with caplog.at_level(logging.WARNING):
        for _ in range(2500):
            tally.add("/scores type")
        tally.add("/label required")
    assert tally.total == 2501
    counts = [record.args[1] for record in caplog.records if isinstance(record.args, tuple)]
    assert counts == [1, 10, 100, 1000, 2000, 1]


def test_kinds_beyond_the_limit_count_as_one(caplog: pytest.LogCaptureFixture) -> None:
    tally = ViolationTally("a request")
    for number in range(3000):
        tally.add(f"/{number} type")
    assert tally.total == 3000
    assert len(caplog.records) < 1010
    assert "(others)" in caplog.text
