"""Finding a package: the folder that holds ``model/``, ``model/`` itself, a training output."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_service.errors import PackageError
from model_service.package.layout import find_package
from tests.conftest import MakePackage

PARTS = ["saved_model.pb", "config.json", "customize_service.py"]


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("name", PARTS)
def test_any_part_makes_a_package(name: str, tmp_path: Path) -> None:
    model = fill(tmp_path / "ocr" / "model", name)
    for path in (tmp_path / "ocr", model):
        layout = find_package(path)
        assert layout.model_directory == model
        found = [layout.saved_model_path, layout.config_path, layout.service_path]
        assert found == [model / part if part == name else None for part in PARTS]


def test_all_parts(make_package: MakePackage) -> None:
    package = make_package("digits", "digits")
    layout = find_package(package)
    model = package / "model"
    assert layout.config_path == model / "config.json"
    assert layout.service_path == model / "customize_service.py"
    assert layout.saved_model_path == model / "saved_model.pb"


def test_the_newest_version_of_a_training_output(tmp_path: Path) -> None:
    for name in ("V0001", "V0002", "V0010", "V9", "V0011x", "W0012"):
        fill(tmp_path / name / "model", "saved_model.pb")
    fill(tmp_path / "V0012")  # a run that wrote no model
    assert find_package(tmp_path).model_directory == tmp_path / "V0010" / "model"
    assert find_package(tmp_path / "V0002").model_directory == tmp_path / "V0002" / "model"


def test_model_goes_before_versions(tmp_path: Path) -> None:
    fill(tmp_path / "model", "saved_model.pb")
    fill(tmp_path / "V0001" / "model", "saved_model.pb")
    assert find_package(tmp_path).model_directory == tmp_path / "model"


def test_the_path_is_made_absolute_and_links_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fill(tmp_path / "real" / "model", "config.json")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    assert find_package(Path("link")).model_directory == real


def test_another_service_file(tmp_path: Path) -> None:
    model = fill(tmp_path / "model", *PARTS)
    other = fill(tmp_path / "elsewhere", "service.py") / "service.py"
    assert find_package(tmp_path, other).service_path == other
    assert find_package(model, other).service_path == other


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], r"no package here. Looked for saved_model.pb, .* found: nothing"),
        (["readme.txt", "labels.csv"], r"found: labels.csv, readme.txt"),
    ],
)
def test_no_package_says_what_was_looked_for_and_found(files: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=message):
        find_package(fill(tmp_path, *files))


@pytest.mark.parametrize("folder", ["model", "V0001/model"])
def test_an_empty_model_folder(folder: str, tmp_path: Path) -> None:
    empty = fill(tmp_path / folder)
    with pytest.raises(PackageError, match=f"{empty}: holds none of saved_model.pb"):
        find_package(tmp_path)


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="nowhere: no such folder"):
        find_package(tmp_path / "nowhere")


def test_a_file(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="not a folder"):
        find_package(fill(tmp_path, "model.zip") / "model.zip")


def test_no_such_service_file(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"given with --service"):
        find_package(fill(tmp_path / "model", *PARTS), tmp_path / "nowhere.py")


def test_a_folder_named_like_a_part_is_none(tmp_path: Path) -> None:
    model = fill(tmp_path / "model", "config.json")
    (model / "saved_model.pb").mkdir()
    assert find_package(tmp_path).saved_model_path is None
