"""Serves the package and asks it, as a caller would. Run it with pytest."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from model_service.client import Client, PredictionFailed
from model_service.client.local import serve_package

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The running service, with a model server of its own, for all tests."""
    with serve_package(PACKAGE) as service, Client(service.url) as one:
        yield one


def picture(color: str, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, color).convert(mode).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("color", ["red", "green", "blue"])
def test_the_colour_is_told(client: Client, color: str) -> None:
    answer = client.predict(files={"images": picture(color)})
    assert answer["predicted_label"] == color
    assert sum(score for _, score in answer["scores"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_every_kind_of_picture_is_taken(client: Client, mode: str) -> None:
    assert len(client.predict(files={"images": picture("white", mode, (3, 500))})["scores"]) == 3


def test_what_is_no_picture_is_the_callers_fault(client: Client) -> None:
    with pytest.raises(PredictionFailed, match="400"):
        client.predict(files={"images": ("a.png", b"no picture")})


def test_two_pictures_are_refused(client: Client) -> None:
    with pytest.raises(PredictionFailed, match="send one picture"):
        client.predict(files={"images": [("a.png", picture("red")), ("b.png", picture("blue"))]})
