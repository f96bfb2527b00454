"""Fixtures for all tests: SavedModels built once per session, and copies of the packages under tests/packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TESTS_FOLDER = Path(__file__).parent
# In this folder a file that tools must not read as Python or JSON has this ending; the copy does not.
BROKEN_ENDING = ".broken"

SavedModels = Callable[[str], Path]
MakePackage = Callable[..., Path]


def quiet_environment() -> dict[str, str]:
    """This environment for a child that imports TensorFlow: no GPU, no log noise, nothing of ours set."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MODEL_SERVICE_", "TF_"))}
    return {**environment, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "CUDA_VISIBLE_DEVICES": "-1"}


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> SavedModels:
    """``saved_model(kind)`` is the folder of a SavedModel of tests/models.py; treat it as read-only.

    The first call writes all kinds in one child process, so that this process never imports TensorFlow.
    """
    folder = tmp_path_factory.mktemp("saved_models")

    def find(kind: str) -> Path:
        if not (folder / kind).exists():
            done = subprocess.run(
                [sys.executable, str(TESTS_FOLDER / "models.py"), "all", str(folder)],
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
                env=quiet_environment(),
            )
            assert done.returncode == 0, done.stderr
        return folder / kind

    return find


@pytest.fixture(scope="session")
def make_package(tmp_path_factory: pytest.TempPathFactory, saved_model: SavedModels) -> MakePackage:
    """``make_package(name, model=None)`` is a fresh copy of tests/packages/<name>: the folder that holds ``model/``.

    ``model`` is a kind of SavedModel to put into it.
    """

    def make(name: str, model: str | None = None) -> Path:
        package = tmp_path_factory.mktemp(name)
        shutil.copytree(
            TESTS_FOLDER / "packages" / name / "model",
            package / "model",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for path in package.rglob(f"*{BROKEN_ENDING}"):
            path.rename(path.with_suffix(""))
        if model is not None:
            shutil.copytree(saved_model(model), package / "model", dirs_exist_ok=True)
        return package

    return make
