"""What the check says of the documents' packages, unmodified, around a trained model; and of our own package."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.check.package_check import CheckOptions, CheckReport, check_package
from model_training.cli import data_main, train_main

ROOT = Path(__file__).parents[2]
DOCUMENTS = Path(os.environ.get("CONFORMANCE_DIR", ROOT.parent / "shared" / "conformance"))

pytestmark = pytest.mark.skipif(
    not DOCUMENTS.is_dir(),
    reason=f"{DOCUMENTS} is absent: run make conformance DIR=FOLDER with the documents' packages",
)

Check = Callable[[str], CheckReport]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("mnist")
    output = tmp_path_factory.mktemp("trained")
    assert data_main(["mnist", "--output", str(data)]) == 0
    assert train_main(["tf", "--data_url", str(data), "--train_url", str(output), "--max_steps", "400"]) == 0
    return output / "V0001"


@pytest.fixture
def check(trained: Path, tmp_path: Path) -> Check:
    def run(name: str) -> CheckReport:
        ours = shutil.ignore_patterns("config.json", "customize_service.py")
        shutil.copytree(trained / "model", tmp_path / "model", ignore=ours)
        shutil.copytree(DOCUMENTS / name / "model", tmp_path / "model", dirs_exist_ok=True)
        return check_package(CheckOptions(tmp_path, backend="embedded"))

    return run


def test_our_own_package_has_nothing(trained: Path) -> None:
    report = check_package(CheckOptions(trained, backend="embedded"))
    assert report.has_run
    assert report.findings == ()


def test_mnist_package(check: Check) -> None:
    found = {each.code: each for each in check("modelarts-mnist").findings}
    assert found.keys() == {
        "answer-breaks-contract",
        "missing-scaling",
        "picture-mode",
        "picture-size",
        "exif-ignored",
        "only-one-answered",
    }
    assert found["answer-breaks-contract"].place.pointer == "/scores/0/1"
    assert "expected number, got string" in found["answer-breaks-contract"].message
    first = "200, but with other values: only the first 784 of its"
    assert f"RGB PNG of 28x28: {first} 2352 numbers" in found["picture-mode"].message
    assert f"grey PNG of 56x56: {first} 3136 numbers" in found["picture-size"].message
    lines = (DOCUMENTS / "modelarts-mnist" / "model" / "customize_service.py").read_text(encoding="utf-8").splitlines()
    assert "image1.resize((1, 784))" in lines[found["picture-size"].place.line - 1]
    assert "def _preprocess" in lines[found["missing-scaling"].place.line - 1]
    assert "answer is that to the last alone" in found["only-one-answered"].message


def test_package_without_a_contract(check: Check) -> None:
    codes = {each.code for each in check("modelarts-tensorflow").findings}
    assert {"missing-scaling", "picture-mode", "picture-size", "only-one-answered"} <= codes
