"""Serves the package and asks it, as a caller would. Run it with pytest."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from model_service.client import Client, PredictionFailed
from model_service.client.local import serve_package

PACKAGE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The running service, with a model server of its own, for all tests."""
    with serve_package(PACKAGE) as service, Client(service.url) as one:
        yield one


def picture(**boxes: tuple[int, int, int, int]) -> bytes:
    """A grey picture of 128 x 64 pixels with boxes in it: left, top, right, bottom, by their colours."""
    image = Image.new("RGB", (128, 64), "grey")
    for color, box in boxes.items():
        ImageDraw.Draw(image).rectangle(box, color)
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def test_objects_are_found_where_they_are(client: Client) -> None:
    answer = client.predict(files={"images": picture(red=(16, 8, 47, 31), blue=(64, 32, 127, 63))})
    found = dict(zip(answer["detection_classes"], answer["detection_boxes"], strict=True))
    assert sorted(found) == ["blue", "red"]
    assert found["red"] == pytest.approx([8, 16, 32, 48], abs=2)
    assert found["blue"] == pytest.approx([32, 64, 64, 128], abs=2)
    assert len(answer["detection_scores"]) == 2


def test_nothing_is_found_where_nothing_is(client: Client) -> None:
    empty = {"detection_classes": [], "detection_boxes": [], "detection_scores": []}
    assert client.predict(files={"images": picture()}) == empty


def test_what_is_no_picture_is_the_callers_fault(client: Client) -> None:
    with pytest.raises(PredictionFailed, match="400"):
        client.predict(files={"images": ("a.png", b"no picture")})
