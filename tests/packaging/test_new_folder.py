"""A folder is made whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_packaging.new_folder import new_folder
from model_service.errors import SettingsError


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def fail_after_writing(folder: Path, error: type[BaseException]) -> None:
    (folder / "a").touch()
    raise error


def make_after_another(output: Path, is_there: bool) -> None:
    with new_folder(output, "--output") as second:
        (second / "a").touch()
        if is_there:
            (output / "b").touch()
            return
        with new_folder(output, "--output") as first:
            (first / "b").touch()


@pytest.mark.parametrize("name", ["new", "deep/er/new", "x" * 255])
def test_it_is_there_at_the_end_and_not_before(tmp_path: Path, name: str) -> None:
    with new_folder(tmp_path / name) as unfinished:
        (unfinished / "a").mkdir()
        (unfinished / "a" / "b").write_text("x")
        assert not (tmp_path / name).exists()
    assert names(tmp_path / name) == {"a", "a/b"}
    assert {path.name for path in (tmp_path / name).parent.iterdir()} == {Path(name).name}


def test_the_folder_where_one_stands_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with new_folder(Path()) as unfinished:
        (unfinished / "a").mkdir()
        (unfinished / "b").touch()
    assert names(Path.cwd()) == {"a", "b"}


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_of_what_failed(tmp_path: Path, is_there: bool, error: type[BaseException]) -> None:
    output = tmp_path / "new"
    if is_there:
        output.mkdir()
    with pytest.raises(error), new_folder(output) as unfinished:
        fail_after_writing(unfinished, error)
    assert names(tmp_path) == ({"new"} if is_there else set())


@pytest.mark.parametrize("is_there", [True, False])
def test_of_two_at_once_one_is_told(tmp_path: Path, is_there: bool) -> None:
    output = tmp_path / "new"
    if is_there:
        output.mkdir()
    with pytest.raises(SettingsError, match=r"--output .*: cannot be made: .*: Directory not empty"):
        make_after_another(output, is_there)
    assert names(tmp_path) == {"new", "new/b"}


def test_what_is_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for path, told in (
        (tmp_path, "is not empty; nothing is ever overwritten"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "link", "is a file"),
        (tmp_path / "file" / "below", "cannot be made: .*file: File exists"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(SettingsError, match=told), new_folder(path):
            pass
    assert names(tmp_path) == {"file", "link"}


def test_what_goes_wrong_within_is_named_as_the_user_knows_it(tmp_path: Path) -> None:
    output = tmp_path / "new"
    with pytest.raises(SettingsError) as told, new_folder(output) as unfinished:
        (unfinished / "a" / "b").touch()
    assert str(told.value) == f"{output}: cannot be made: {output}/a/b: No such file or directory"
