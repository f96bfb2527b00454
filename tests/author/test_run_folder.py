"""The folder a package believes to live in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from model_service.author.run_folder import make_run_folder
from tests.conftest import MakePackage


def test_model_1_is_the_package_and_its_files_also_lie_at_the_top(make_package: MakePackage, tmp_path: Path) -> None:
    model = make_package("siblings", "scalar") / "model"
    version = make_run_folder(tmp_path / "run", model)
    assert version == tmp_path / "run" / "model" / "1"
    assert version.samefile(model)
    for name in os.listdir(model):
        assert (tmp_path / "run" / name).samefile(model / name)
        assert (version / name).samefile(model / name)
    assert (tmp_path / "run" / "variables" / "variables.index").is_file()


def test_the_folder_is_writable_and_the_package_is_not_written_to(
    make_package: MakePackage, worker_process: Callable[[Path], Path]
) -> None:
    model = make_package("echo") / "model"
    before = sorted(os.listdir(model))
    worker_process(model.parent)
    Path("result.txt").write_text("mine")
    os.mkdir("cache")
    assert sorted(os.listdir(model)) == before


def test_it_belongs_to_us_alone(make_package: MakePackage, tmp_path: Path) -> None:
    make_run_folder(tmp_path / "run", make_package("echo") / "model")
    assert (tmp_path / "run" / "model").stat().st_mode & 0o077 == 0


def test_a_package_that_has_a_model_folder_of_its_own(tmp_path: Path) -> None:
    model = tmp_path / "package" / "model"
    (model / "model").mkdir(parents=True)
    (model / "model" / "weights.bin").touch()
    version = make_run_folder(tmp_path / "run", model)
    assert (version / "model" / "weights.bin").is_file()
    assert (tmp_path / "run" / "model" / "1").samefile(model)


def test_two_workers_have_two_folders(make_package: MakePackage, tmp_path: Path) -> None:
    model = make_package("echo") / "model"
    first, second = (make_run_folder(tmp_path / name, model) for name in ("a", "b"))
    assert first != second
    with pytest.raises(FileExistsError):
        make_run_folder(tmp_path / "a", model)


def test_links_of_the_package_that_lead_nowhere(tmp_path: Path) -> None:
    model = tmp_path / "package" / "model"
    model.mkdir(parents=True)
    (model / "gone").symlink_to(tmp_path / "nowhere")
    version = make_run_folder(tmp_path / "run", model)
    assert (version / "gone").is_symlink()
