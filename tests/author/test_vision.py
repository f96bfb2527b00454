"""The service of packages that bring none."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_service.author.vision import TfServingVisionService
from tests.author.conftest import BindModel


def picture(mode: str, color: Any, size: tuple[int, int] = (4, 3)) -> BytesIO:
    content = BytesIO()
    Image.new(mode, size, color).save(content, "PNG")
    content.seek(0)
    return content


def preprocess(data: Any) -> dict[str, Any]:
    return TfServingVisionService("serve", "/models/1")._preprocess(data)


def test_every_field_is_a_batch_of_its_files() -> None:
    inputs = preprocess(
        {
            "images": {"a.png": picture("RGB", (1, 2, 255)), "b.png": picture("L", 7)},
            "masks": {"c.png": picture("RGBA", (1, 2, 3, 0), (5, 5))},
        }
    )
    assert list(inputs) == ["images", "masks"]
    assert inputs["images"].shape == (2, 3, 4, 3)
    assert inputs["images"].dtype == np.float32
    assert inputs["images"][0, 0, 0].tolist() == [1, 2, 255]
    assert inputs["images"][1, 2, 3].tolist() == [7, 7, 7]
    assert inputs["masks"].shape == (1, 5, 5, 3)


def test_pictures_of_different_size_in_one_field() -> None:
    with pytest.raises(ValueError, match="same shape"):
        preprocess({"images": {"a": picture("L", 1, (2, 2)), "b": picture("L", 1, (3, 3))}})


@pytest.mark.parametrize("data", [{"images": "text"}, {"data": {"req_data": [1]}}, [1]], ids=repr)
def test_json_is_a_fault_of_the_package(data: object) -> None:
    with pytest.raises(AttributeError):
        preprocess(data)


def test_the_raw_outputs_are_the_answer(bind_model: BindModel) -> None:
    bind_model(
        lambda inputs: {"mean": inputs["images"].mean(axis=(1, 2, 3))}, {"images": "float32"}, {"mean": "float32"}
    )
    service = TfServingVisionService("serve", "/models/1")
    data = {"images": {"a": picture("L", 10), "b": picture("L", 20)}}
    assert service.inference(data) == {"mean": [10.0, 20.0]}
