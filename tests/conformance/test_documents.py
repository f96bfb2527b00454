"""The packages of the original documents, unmodified, with models trained by our scripts.

They are not part of this project: name their folder with ``make conformance DIR=...``. Without it, or the default
beside the checkout, these tests are skipped.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_service.client import Client, Reply
from model_service.client.local import serve_package
from model_training.cli import data_main, train_main
from model_training.mnist import read_folder

ROOT = Path(__file__).parents[2]
DOCUMENTS = Path(os.environ.get("CONFORMANCE_DIR", ROOT.parent / "shared" / "conformance"))

pytestmark = pytest.mark.skipif(
    not DOCUMENTS.is_dir(),
    reason=f"{DOCUMENTS} is absent: run make conformance DIR=FOLDER with the documents' packages",
)

Digit = tuple[bytes, str]
Package = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mnist")
    assert data_main(["mnist", "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def package(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """``package(name, script)``: the documents' package around what our script ``tf`` or ``keras`` trained."""
    models: dict[str, Path] = {}
    arguments = {"tf": ("--max_steps", "400"), "keras": ("--epochs", "1")}

    def build(name: str, script: str) -> Path:
        if script not in models:
            output = tmp_path_factory.mktemp(script)
            status = train_main([script, "--data_url", str(data), "--train_url", str(output), *arguments[script]])
            assert status == 0
            models[script] = output / "V0001" / "model"
        target = tmp_path_factory.mktemp(f"{name}-{script}")
        ours = ("config.json", "customize_service.py")
        shutil.copytree(models[script], target / "model", ignore=shutil.ignore_patterns(*ours))
        shutil.copytree(DOCUMENTS / name / "model", target / "model", dirs_exist_ok=True)
        return target

    return build


@pytest.fixture(scope="module")
def digits(data: Path) -> list[Digit]:
    """Forty test digits as PNG, 28x28 grey, with their labels."""
    mnist = read_folder(data)
    found = []
    for pixels, label in zip(mnist.test_images[:40], mnist.test_labels[:40], strict=True):
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(pixels)).save(buffer, "PNG")
        found.append((buffer.getvalue(), str(label)))
    return found


def post(url: str, *pictures: bytes) -> Reply:
    with Client(url) as client:
        return client.send(files={"images": list(pictures)})


def test_mnist_package_as_it_is(package: Package, digits: list[Digit]) -> None:
    with serve_package(package("modelarts-mnist", "tf"), "--backend", "embedded") as service:
        replies = [(post(service.url, content), label) for content, label in digits]
    right = 0
    for reply, label in replies:
        assert reply.status == 200
        answer = reply.json()
        assert answer.keys() == {"predicted_label", "scores"}
        assert len(answer["scores"]) == 5
        assert all(isinstance(name, str) and isinstance(score, str) for name, score in answer["scores"])
        assert "/scores/0/1 type" in reply.headers["x-contract-violation"]
        right += answer["predicted_label"] == label
    assert right >= 0.7 * len(replies)


@pytest.mark.parametrize("mode", ["strict", "coerce"])
def test_mnist_package_held_to_its_contract(package: Package, digits: list[Digit], mode: str) -> None:
    flags = ("--backend", "embedded", "--validate-response", mode)
    with serve_package(package("modelarts-mnist", "tf"), *flags) as service:
        reply = post(service.url, digits[0][0])
    if mode == "strict":
        assert reply.status == 500
        assert reply.json()["violations"][0]["pointer"] == "/scores/0/1"
        return
    assert reply.status == 200
    assert all(isinstance(score, float) for _, score in reply.json()["scores"])
    assert "x-contract-violation" not in reply.headers


@pytest.mark.parametrize("script", ["tf", "keras"])
def test_tensorflow_package_with_either_model(package: Package, digits: list[Digit], script: str) -> None:
    with serve_package(package("modelarts-tensorflow", script), "--backend", "embedded") as service:
        replies = [(post(service.url, content), label) for content, label in digits]
    right = 0
    for reply, label in replies:
        assert reply.status == 200
        assert reply.json().keys() == {"mnist_result"}
        right += reply.json()["mnist_result"] == [int(label)]
    assert right >= 0.7 * len(replies)
