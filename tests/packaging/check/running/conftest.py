"""Packages of tests/packages/running, and one model server for all that have the model ``digits``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_packaging.check.finding import Finding
from model_packaging.check.running.limits import Limits
from model_packaging.check.running.run import RunOutcome, run_package
from model_packaging.check.subject import read_subject
from model_service.backend.local import local_model_server
from tests.conftest import TESTS_FOLDER, MakePackage, SavedModels, quiet_environment

RunPackage = Callable[..., RunOutcome]
TrainedModels = Callable[[str], Path]


@pytest.fixture(scope="session")
def digits_server(saved_model: SavedModels) -> Iterator[str]:
    with local_model_server(saved_model("digits"), backend="embedded") as client:
        yield client.target


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModels:
    """``trained_model("unit" or "bytes")``: recognises real digits, given as 0..1, or as 0..255 which it scales."""
    folder = tmp_path_factory.mktemp("trained")
    script = Path(__file__).parent / "write_trained.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=quiet_environment(),
    )
    assert done.returncode == 0, done.stderr
    return lambda name: folder / name


@pytest.fixture
def run(make_package: MakePackage, digits_server: str, tmp_path: Path) -> RunPackage:
    """``run(name, model="digits")``: run a copy of a package; one with that model uses the server that is there."""

    def run_it(
        name: str,
        model: str | Path | None = None,
        limits: Limits | None = None,
        samples: tuple[str, ...] = (),
    ) -> RunOutcome:
        own = TESTS_FOLDER / "packages" / "running" / name / "model"
        if own.is_dir():
            package = tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}"
            shutil.copytree(own, package / "model", ignore=shutil.ignore_patterns("__pycache__"))
        else:
            package = make_package(name)
        if model is not None:
            source = model if isinstance(model, Path) else make_package("digits", model=model) / "model"
            shutil.copytree(
                source,
                package / "model",
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns("config.json", "customize_service.py"),
            )
        backend = digits_server if model == "digits" else "embedded"
        return run_package(read_subject(package), samples, backend, limits)

    return run_it


def codes(outcome: RunOutcome) -> set[str]:
    return {each.code for each in outcome.findings}


def only(outcome: RunOutcome) -> Finding:
    assert len(outcome.findings) == 1, outcome.findings
    return outcome.findings[0]
