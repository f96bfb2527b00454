"""The demonstration, whole; and the package it makes, asked what it was not trained on."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_service.client import Client, Reply
from model_service.client.local import serve_package
from model_training import demo
from model_training.mnist import read_folder


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert demo.main(["--output", str(folder), "--digits", "200"]) == 0
    return folder


def clear_digits(output: Path, count: int) -> list[tuple[np.ndarray, str]]:
    """Test digits of different classes that any of our models gets right: a zero, a one, ..."""
    mnist = read_folder(output / "data")
    return [
        (mnist.test_images[np.flatnonzero(mnist.test_labels == digit)[0]], str(digit)) for digit in (0, 1, 7, 4)[:count]
    ]


def encoded(image: Image.Image, image_format: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format)
    return buffer.getvalue()


def photograph(pixels: np.ndarray, dark_on_light: bool) -> bytes:
    """A 300x200 RGB JPEG with the digit off its centre."""
    digit = Image.fromarray(pixels).resize((120, 120), Image.Resampling.BICUBIC)
    canvas = Image.new("L", (300, 200), 0)
    canvas.paste(digit, (150, 50))
    values = np.asarray(canvas, dtype=np.float32) / 255
    background, ink = (225.0, 40.0) if dark_on_light else (20.0, 240.0)
    grey = background + (ink - background) * values
    noise = np.random.default_rng(0).normal(0, 4, grey.shape)
    rgb = np.stack([grey + noise, grey * 0.97 + noise, grey * 0.94 + noise], axis=-1)
    return encoded(Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)), "JPEG")


def test_demo_ends_well_and_says_what_comes_next(output: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--output", str(output), "--digits", "200"]) == 0
    printed = capfd.readouterr().out
    assert "accuracy over all 200: 0.9" in printed or "accuracy over all 200: 0.8" in printed
    assert "make serve" in printed
    assert "curl -F images=@" in printed
    assert (output / "train" / "V0002" / "model" / "config.json").is_file()
    assert (output / "digit.png").is_file()


def test_demo_fails_when_the_model_is_bad(tmp_path: Path, output: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--output", str(tmp_path), "--digits", "200", "--max_steps", "1"]) == 1
    assert "step 4/4 answers: the accuracy is" in capfd.readouterr().err


def test_photographs_and_three_pictures_in_one_request(output: Path) -> None:
    digits = clear_digits(output, 3)
    with serve_package(output / "train", "--backend", "embedded") as service, Client(service.url) as client:

        def post(*contents: bytes) -> Reply:
            return client.send(files={"images": list(contents)})

        for pixels, label in clear_digits(output, 4):
            for dark_on_light in (True, False):
                reply = post(photograph(pixels, dark_on_light))
                assert reply.status == 200
                assert reply.json()["predictions"][0]["predicted_label"] == label
        reply = post(*(encoded(Image.fromarray(pixels), "PNG") for pixels, _ in digits))
    assert reply.status == 200
    assert "x-contract-violation" not in reply.headers
    predictions = reply.json()["predictions"]
    assert [prediction["predicted_label"] for prediction in predictions] == [label for _, label in digits]
    assert all(len(prediction["scores"]) == 10 for prediction in predictions)
