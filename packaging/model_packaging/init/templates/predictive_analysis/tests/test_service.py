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
    """The running service, with a model server of its own, for all tests."""
    with serve_package(PACKAGE) as service, Client(service.url) as one:
        yield one


def ask(client: Client, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    answer: list[dict[str, Any]] = client.predict({"data": {"req_data": list(rows)}})["data"]["resp_data"]
    return answer


def test_every_row_is_answered_in_order(client: Client) -> None:
    answers = ask(client, *({"width": side, "height": side} for side in (5, 50, 95)))
    assert [answer["predict_result"] for answer in answers] == ["small", "medium", "large"]


@pytest.mark.parametrize("row", [{"width": 5}, {"width": "5", "height": 5}, {"width": 5, "height": 101}])
def test_rows_that_break_the_contract_are_refused(client: Client, row: dict[str, Any]) -> None:
    with pytest.raises(PredictionFailed, match="/data/req_data/0"):
        ask(client, row)
