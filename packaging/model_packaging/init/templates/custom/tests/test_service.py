"""Serves the package and asks it, as a caller would. Run it with pytest."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_service.client import Client, PredictionFailed
from model_service.client.local import serve_package

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The running service for all tests."""
    with serve_package(PACKAGE) as service, Client(service.url) as one:
        yield one


def test_words_are_counted(client: Client) -> None:
    answer = client.predict({"text": "two words"})
    assert answer == {"characters": 9, "words": 2, "longest_word": "words"}


def test_a_text_may_be_empty(client: Client) -> None:
    assert client.predict({"text": ""}) == {"characters": 0, "words": 0, "longest_word": ""}


@pytest.mark.parametrize("data", [{"words": "x"}, {"text": 1}, ["text"]])
def test_requests_that_break_the_contract_are_refused(client: Client, data: Any) -> None:
    with pytest.raises(PredictionFailed, match="breaks the declared contract"):
        client.predict(data)
