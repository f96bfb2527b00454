"""Listing and reading files: local ones, and by URL what needs no network."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from model_service.errors import SettingsError
from model_service.storage import (
    StorageError,
    beside,
    describe_file,
    expand_glob,
    has_wildcard,
    in_storage_of,
    is_folder,
    is_url,
    last_name,
    list_files,
    open_file,
    read_whole,
    upload_folder,
)

NOT_UTF8 = os.fsdecode(b"caf\xe9.png")


def write(folder: Path, *names: str) -> Path:
    """Files that hold their own names."""
    for name in names:
        path = folder / name
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        path.write_bytes(os.fsencode(name))
    return folder


def names(location: str | Path) -> list[str]:
    return [file.name for file in list_files(str(location))]


def matches(pattern: str | Path) -> list[str]:
    return [file.name for file in expand_glob(str(pattern))]


def pack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive, "w") as made:
        for path in sorted(folder.rglob("*")):
            made.write(path, path.relative_to(folder))
    return archive


def test_files_come_in_the_order_of_their_relative_names(tmp_path: Path) -> None:
    write(tmp_path, "b/2.png", "a.png", "a/10.png", "a/9.png", "a/x/1.png", "a-b/1.png", "c.png", "B.png", NOT_UTF8)
    expected = ["B.png", "a-b/1.png", "a.png", "a/10.png", "a/9.png", "a/x/1.png", "b/2.png", "c.png", NOT_UTF8]
    assert names(tmp_path) == sorted(expected) == expected
    assert names(f"{tmp_path}/") == expected


def test_locations_can_be_opened_whatever_the_name(tmp_path: Path) -> None:
    write(tmp_path, NOT_UTF8, "a b/ü.png", "line\nfeed", "[1]*?.png", "x::y")
    found = list(list_files(str(tmp_path)))
    assert {file.name: read_whole(file.location, 100) for file in found} == {
        file.name: os.fsencode(file.name) for file in found
    }
    assert len(found) == 5


def test_hidden_files_and_folders_are_left_out_but_not_a_hidden_start(tmp_path: Path) -> None:
    folder = write(tmp_path / ".data", "1.png", ".2.png", ".git/3.png", "a/.4.png", "a/5.png")
    assert names(folder) == ["1.png", "a/5.png"]
    assert matches(folder / "**") == ["1.png", "a/5.png"]


def test_a_version_changes_with_the_file(tmp_path: Path) -> None:
    write(tmp_path, "1.png")
    before = describe_file(str(tmp_path / "1.png"))
    assert [before.version] == [file.version for file in list_files(str(tmp_path))]
    os.utime(tmp_path / "1.png", ns=(1, 1))
    assert describe_file(str(tmp_path / "1.png")).version != before.version


def test_links_are_followed_but_not_round_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "there", "1.png")
    here = write(tmp_path / "here", "a/2.png")
    (here / "link").symlink_to(tmp_path / "there")
    (here / "a" / "up").symlink_to(here)
    (here / "a" / "self").symlink_to("self")
    (here / "broken.png").symlink_to("nowhere.png")
    assert names(here) == ["a/2.png", "a/self", "broken.png", "link/1.png"]
    assert matches(here / "**/*.png") == ["a/2.png", "broken.png", "link/1.png"]
    for name in ("a/self", "broken.png"):  # listed, so that the fault becomes an item's
        with pytest.raises(StorageError, match=f"{name}: cannot be read: "):
            read_whole(str(here / name), 100)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "1.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    assert names(tmp_path) == ["1.png"]
    for name in ("pipe", "endless"):
        with pytest.raises(StorageError, match="no regular file"):
            read_whole(str(tmp_path / name), 100)
    with pytest.raises(StorageError, match="Is a directory"):
        read_whole(str(tmp_path), 100)


def test_folders_nest_as_deep_as_paths_are_long(tmp_path: Path) -> None:
    depth = 1200
    for level in range(1, depth + 1):
        os.mkdir(f"{tmp_path}/{'d/' * level}")
    write(tmp_path, "d/" * depth + "1.png")
    try:
        assert names(tmp_path) == ["d/" * depth + "1.png"]
    finally:  # what clears up after tests cannot go as deep
        os.remove(f"{tmp_path}/{'d/' * depth}1.png")
        os.removedirs(f"{tmp_path}/{'d/' * depth}")


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "locked/2.png")
    (tmp_path / "locked").chmod(0)
    tmp_path.chmod(0o755)
    code = (
        "import os, sys\n"
        "from model_service.storage import StorageError, list_files\n"
        "os.chdir(sys.argv[1])\n"
        "if os.geteuid() == 0: os.setuid(65534)  # nothing is locked to root\n"
        "try: print(*(file.name for file in list_files('.')))\n"
        "except StorageError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "./locked/: cannot be listed: Permission denied\n", done.stderr
    with pytest.raises(StorageError, match="nowhere: cannot be listed: No such file or directory"):
        names(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["1.png", "2.png"]),
        ("?.p[mn]g", ["1.png", "2.png"]),
        ("[!1].png", ["2.png"]),
        ("*/*.png", ["a/3.png", "b/4.png"]),
        ("**/*.png", ["1.png", "2.png", "a/3.png", "a/c/5.png", "b/4.png"]),
        ("**", ["1.png", "2.png", "a/3.png", "a/c/5.png", "b/4.png", "b/4.txt"]),
        ("a/**/*.png", ["3.png", "c/5.png"]),
        ("b/4.*", ["4.png", "4.txt"]),
        ("*.jpg", []),
        ("[a-b]/*.png", ["a/3.png", "b/4.png"]),
    ],
)
@pytest.mark.parametrize("scheme", ["", "file://", "zip://"])
def test_patterns(tmp_path: Path, pattern: str, expected: list[str], scheme: str) -> None:
    folder = write(tmp_path / "in", "1.png", "2.png", "a/3.png", "a/c/5.png", "b/4.png", "b/4.txt", ".hidden/6.png")
    location = f"{folder}/{pattern}"
    if scheme == "zip://":
        location = f"zip://{pattern}::{pack(tmp_path / 'all.zip', folder)}"
    elif scheme:
        location = f"{scheme}{location}"
    assert has_wildcard(location)
    found = list(expand_glob(location))
    assert [file.name for file in found] == expected
    for file in found:
        assert read_whole(file.location, 100).decode().endswith(file.name)


def test_a_pattern_that_is_none(tmp_path: Path) -> None:
    write(tmp_path, "ab.png")
    with pytest.raises(SettingsError, match=r"a\*\*b: cannot be used as a pattern: .*path component"):
        matches(tmp_path / "a**b")
    assert matches(tmp_path / "[z-a].png") == []


def test_a_file_with_brackets_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    write(tmp_path, "scan[1].npy")
    assert not has_wildcard(str(tmp_path / "scan[1].npy"))
    assert has_wildcard(str(tmp_path / "scan[2].npy"))
    assert has_wildcard("s3://bucket/scan?.npy")
    assert not has_wildcard("https://host/x.npy?signature=[1]")
    assert not has_wildcard("zip://1.png::/all*.zip")


@pytest.mark.parametrize("scheme", ["file://", "zip://", "simplecache::file://"])
def test_folders_by_url(tmp_path: Path, scheme: str) -> None:
    folder = write(tmp_path / "in", "b.png", "a/1.png", ".hidden.png", "a/.git/x.png")
    location = f"zip://::{pack(tmp_path / 'all.zip', folder)}" if scheme == "zip://" else f"{scheme}{folder}"
    assert is_url(location)
    assert is_folder(location)
    found = list(list_files(location))
    assert [file.name for file in found] == ["a/1.png", "b.png"]
    assert [read_whole(file.location, 100) for file in found] == [b"a/1.png", b"b.png"]


def test_the_version_of_a_file_in_an_archive_is_its_checksum(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", "1.png")
    archive = pack(tmp_path / "all.zip", folder)
    (before,) = list_files(f"zip://::{archive}")
    assert before.version == f"5 {zipfile.ZipFile(archive).getinfo('1.png').CRC}"


def test_reading_is_limited(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_whole(str(tmp_path / "x"), 5) == b"12345"
    with pytest.raises(StorageError, match="x: larger than 4 bytes"):
        read_whole(str(tmp_path / "x"), 4)


@pytest.mark.parametrize("name", ["gone", "a\0b", "half \ud800 a character"])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        read_whole(f"{tmp_path}/{name}", 5)


@pytest.mark.parametrize(
    ("location", "error", "message"),
    [
        ("nosuch://x/y.npy", SettingsError, "nosuch://x/y.npy: cannot be opened: Protocol not known: nosuch"),
        ("zip://x.png::/nowhere/all.zip", StorageError, "all.zip: cannot be opened: No such file or directory"),
        ("zip://x.png::{here}/text", StorageError, "text: cannot be opened: BadZipFile: File is not a zip file"),
        ("zip://x.png::{here}/all.zip", StorageError, "zip://x.png::.*: cannot be read: No such file or directory"),
        ("file://{here}/gone", StorageError, "gone: cannot be read: No such file or directory"),
        ("{here}/gone", StorageError, "gone: no such file"),
        ("{here}", StorageError, "no such file"),
    ],
)
def test_what_cannot_be_found_is_said(tmp_path: Path, location: str, error: type[Exception], message: str) -> None:
    write(tmp_path, "text")
    pack(tmp_path / "all.zip", write(tmp_path / "in", "1.png"))
    with pytest.raises(error, match=message):
        describe_file(location.format(here=tmp_path))


def test_errors_of_a_storage_while_reading_name_the_file(tmp_path: Path) -> None:
    archive = pack(tmp_path / "all.zip", write(tmp_path / "in", "1.png"))
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"1.png1.png", b"1.png1.PNG"))  # the name in front of the content, and that
    with pytest.raises(StorageError, match=r"zip://1.png::.*all.zip: cannot be read: BadZipFile: Bad CRC-32"):
        read_whole(f"zip://1.png::{archive}", 100)


def test_the_directory_of_an_archive_is_read_once(tmp_path: Path) -> None:
    archive = pack(tmp_path / "all.zip", write(tmp_path / "in", "1.png", "2.png"))
    assert read_whole(f"zip://1.png::{archive}", 100) == b"1.png"
    archive.unlink()
    assert read_whole(f"zip://2.png::{archive}", 100) == b"2.png"


def test_lines_and_seeking(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"one\ntwo\nthree")
    with open_file(f"file://{tmp_path}/x") as file:
        assert list(file) == [b"one\n", b"two\n", b"three"]
        assert file.seek(4) == 4
        assert file.read(3) == b"two"


@pytest.mark.parametrize(
    ("location", "name", "expected"),
    [
        ("/data/a.manifest", "x/1.png", "/data/x/1.png"),
        ("a.manifest", "1.png", "1.png"),
        ("s3://bucket/in/a.manifest", "1.png", "s3://bucket/in/1.png"),
        ("zip://in/a.manifest::s3://b/x.zip", "1.png", "zip://in/1.png::s3://b/x.zip"),
        ("zip://a.manifest::/x.zip", "1.png", "zip://1.png::/x.zip"),
        ("simplecache::s3://b/in/a.manifest", "1.png", "simplecache::s3://b/in/1.png"),
    ],
)
def test_beside(location: str, name: str, expected: str) -> None:
    assert beside(location, name) == expected


def test_absolute_paths_in_a_storage() -> None:
    assert in_storage_of("obs://other/a.manifest", "/bucket/in/1.png") == "obs://bucket/in/1.png"
    assert in_storage_of("s3://other/a.manifest", "/bucket/1.png") == "s3://bucket/1.png"
    assert in_storage_of("/data/a.manifest", "/bucket/1.png") == "/bucket/1.png"


@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/data/1.png", "1.png"),
        ("/data/what?.png", "what?.png"),
        ("https://host/in/1.png?Signature=a/b", "1.png"),
        ("s3://bucket/a?b.png", "a?b.png"),
        ("zip://in/1.png::https://host/x.zip?a=b/c", "1.png"),
        ("simplecache::s3://bucket/1.png", "1.png"),
    ],
)
def test_last_names(location: str, name: str) -> None:
    assert last_name(location) == name


def test_folders_are_uploaded_but_for_what_is_hidden_at_the_top(tmp_path: Path) -> None:
    folder = write(tmp_path / "out", "1.txt", "a/b/2.txt", "a/.x/3.txt", ".journal/lock", ".note")
    upload_folder(folder, f"file://{tmp_path}/there/results")
    there = tmp_path / "there" / "results"
    found = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    assert found == {"1.txt", "a/b/2.txt", "a/.x/3.txt"}
    assert (there / "a/b/2.txt").read_text() == "a/b/2.txt"
    write(tmp_path, "file")
    with pytest.raises(StorageError, match="file/x: cannot be written: Not a directory"):
        upload_folder(folder, f"file://{tmp_path}/file/x")
