"""Exported tests: green for the version they were made of, red and telling for one with another model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_packaging.check.running.export import export_tests
from model_packaging.check.running.run import run_package
from model_packaging.check.subject import read_subject
from model_service.errors import SettingsError
from tests.conftest import TESTS_FOLDER, SavedModels
from tests.packaging.check.running.conftest import RunPackage


def version(folder: Path, saved_model: SavedModels) -> Path:
    shutil.copytree(TESTS_FOLDER / "packages" / "running" / "good_digits" / "model", folder / "model")
    shutil.copytree(saved_model("digits"), folder / "model", dirs_exist_ok=True)
    return folder


def run_file(file: Path, backend: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", file.name],
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=80,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MODEL_BACKEND": backend, **environment},
    )


def test_same_version_is_green_and_another_is_red(saved_model: SavedModels, digits_server: str, tmp_path: Path) -> None:
    first = version(tmp_path / "one", saved_model)
    subject = read_subject(first)
    file = tmp_path / "test_recorded.py"
    count = export_tests(run_package(subject, backend=digits_server), subject, file)
    assert count > 20
    assert max(map(len, file.read_text().splitlines())) < 5000

    done = run_file(file, digits_server)
    assert done.returncode == 0, done.stdout
    assert f"{count} passed" in done.stdout

    second = version(tmp_path / "two", saved_model)
    service = second / "model" / "customize_service.py"
    service.write_text(service.read_text().replace("/ 255", "/ 200"))
    done = run_file(file, digits_server, MODEL_PACKAGE=str(second))
    assert done.returncode == 1
    assert "/scores/0/0: was 0." in done.stdout
    assert ", is 0." in done.stdout
    assert "passed" in done.stdout  # what is refused is still refused


def test_what_has_no_one_answer_is_not_recorded(run: RunPackage, tmp_path: Path) -> None:
    outcome = run("random_answers", model="digits")
    subject = read_subject(TESTS_FOLDER / "packages" / "running" / "random_answers")
    with pytest.raises(SettingsError, match="not-deterministic"):
        export_tests(outcome, subject, tmp_path / "test_it.py")
    assert not (tmp_path / "test_it.py").exists()


def test_nothing_to_record(run: RunPackage, tmp_path: Path) -> None:
    outcome = run("wrong_key")
    subject = read_subject(TESTS_FOLDER / "packages" / "running" / "wrong_key")
    with pytest.raises(SettingsError, match="no request was answered"):
        export_tests(outcome, subject, tmp_path / "test_it.py")
