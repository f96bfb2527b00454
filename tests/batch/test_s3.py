"""S3, and OBS as S3 with an endpoint of its own: a real server in a process of its own, over the wire."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from model_service.batch.items import FileContent, RowContent
from model_service.batch.sources import open_source
from model_service.storage import (
    StorageError,
    describe_file,
    expand_glob,
    is_folder,
    list_files,
    open_file,
    read_whole,
    upload_folder,
)
from tests.conftest import MakePackage

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of a server with the empty bucket ``bucket``."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = next(found[0] for line in server.stderr if (found := re.search(r"http://[\d.:]+", line)))
            connection = HTTPConnection(urlsplit(address).netloc, timeout=20)
            connection.request("PUT", "/bucket")
            assert connection.getresponse().status == 200
            connection.close()
            yield address
        finally:
            server.kill()


@pytest.fixture(autouse=True)
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where a test has its files, with these in it."""
    folder = tmp_path / "uploaded"
    for name in ("b.png", "a/1.png", "a/2.txt", "a/.hidden.png", "ü.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    np.save(folder / "rows.npy", np.arange(300_000 * 4, dtype=np.float32).reshape(-1, 4))
    place = f"bucket/{re.sub('[^a-z0-9]', '-', request.node.name)}"
    (folder / "x.manifest").write_text(
        "".join(
            json.dumps({"source": source}) + "\n" for source in (f"obs://{place}/b.png", f"/{place}/b.png", "a/1.png")
        )
    )
    upload_folder(folder, f"s3://{place}/in")
    return place


@pytest.mark.parametrize("scheme", ["s3", "obs"])
def test_listing_and_reading(bucket: str, scheme: str) -> None:
    here = f"{scheme}://{bucket}/in"
    for folder in (here, f"{here}/"):
        assert is_folder(folder)
        found = list(list_files(folder))
        assert [file.name for file in found] == ["a/1.png", "a/2.txt", "b.png", "rows.npy", "x.manifest", "ü.png"]
        assert found[0].location == f"{here}/a/1.png"
    assert [read_whole(file.location, 10**7)[:9].decode("latin1") for file in found[:3]] == [
        "a/1.png",
        "a/2.txt",
        "b.png",
    ]
    matched = list(expand_glob(f"{here}/**/*.png"))
    assert [(file.name, file.location) for file in matched] == [
        (name, f"{here}/{name}") for name in ("a/1.png", "b.png", "ü.png")
    ]
    assert describe_file(f"{here}/b.png") == matched[1]
    assert not is_folder(f"{here}/b.png")


def test_objects_that_stand_for_folders_are_no_files(bucket: str, endpoint: str) -> None:
    connection = HTTPConnection(urlsplit(endpoint).netloc, timeout=20)
    for name in ("a/", "empty/"):
        connection.request("PUT", f"/{bucket}/in/{name}", body=b"")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
    connection.close()
    code = f"from model_service.storage import *; print(*(file.name for file in list_files('s3://{bucket}/in/')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.split() == ["a/1.png", "a/2.txt", "b.png", "rows.npy", "x.manifest", "ü.png"], done.stderr


def test_what_is_not_there_or_too_large(bucket: str) -> None:
    for location in (f"s3://{bucket}/gone.png", "obs://no-such-bucket/1.png", f"s3://{bucket}/in"):
        with pytest.raises(StorageError) as caught:
            read_whole(location, 100)
        assert str(caught.value).startswith(f"{location}: cannot be read: "), caught.value
    with pytest.raises(StorageError, match=r"b.png: larger than 4 bytes"):
        read_whole(f"s3://{bucket}/in/b.png", 4)


def test_an_input_in_s3(bucket: str, tmp_path: Path) -> None:
    def sources(location: str, start: int = 0) -> list[str]:
        return [item.source for item in open_source(location, tmp_path / "spool").items(start)]

    here = f"obs://{bucket}/in"
    assert sources(here, 3) == ["rows.npy", "x.manifest", "ü.png"]
    assert sources(f"{here}/*/*.png") == ["a/1.png"]
    items = list(open_source(f"{here}/x.manifest", tmp_path / "spool").items(0))
    assert [item.source for item in items] == [f"obs://{bucket}/b.png", f"/{bucket}/b.png", "a/1.png"]
    assert [item.content for item in items] == [
        FileContent(f"obs://{bucket}/b.png"),
        FileContent(f"obs://{bucket}/b.png"),
        FileContent(f"{here}/a/1.png"),
    ]


def test_an_array_in_s3_is_wound_forward_without_reading(bucket: str, tmp_path: Path) -> None:
    location = f"s3://{bucket}/in/rows.npy"
    source = open_source(location, tmp_path / "spool")
    assert source.count == 300_000
    last = next(source.items(299_999))
    assert isinstance(last.content, RowContent)
    assert (last.source, last.content.row.tolist()) == ("rows.npy#299999", [1199996, 1199997, 1199998, 1199999])
    with open_file(location) as file:
        file.seek(-16, os.SEEK_END)
        assert np.frombuffer(file.read(), np.float32)[3] == 1199999


def test_an_archive_in_s3(bucket: str, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "zip" / "all"), "zip", tmp_path / "uploaded")
    upload_folder(tmp_path / "zip", f"s3://{bucket}/zip")
    found = list(list_files(f"zip://a::obs://{bucket}/zip/all.zip"))
    assert [file.location for file in found] == [
        f"zip://a/{name}::obs://{bucket}/zip/all.zip" for name in ("1.png", "2.txt")
    ]
    assert read_whole(found[0].location, 100) == b"a/1.png"


def test_a_run_from_s3_to_s3(make_package: MakePackage, bucket: str, tmp_path: Path) -> None:
    output = f"obs://{bucket}/out"
    flags = ("--format", "modelarts", "--work-dir", str(tmp_path / "work"), "--workers", "1")
    command = [sys.executable, "-m", "model_service.cli", "batch", str(make_package("echo")), *flags]
    command += ["--input", f"s3://{bucket}/in/**/*.png", "--output", output]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"results: {output}\n")
    lines = [json.loads(line) for line in read_whole(f"{output}/predictions.jsonl", 10_000).splitlines()]
    assert [(line["source"], line["answer"]) for line in lines] == [
        ("a/1.png", {"data": {"images": {"1.png": 7}}}),
        ("b.png", {"data": {"images": {"b.png": 5}}}),
        ("ü.png", {"data": {"images": {"ü.png": 6}}}),
    ]
    results = {f"infer-result/{line['source']}_result.txt" for line in lines}
    assert {file.name for file in list_files(output)} == {"predictions.jsonl", "infer-result-0.manifest", *results}
    assert json.loads(read_whole(f"{output}/infer-result/a/1.png_result.txt", 1000)) == lines[0]["answer"]
    again = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (again.returncode, again.stderr) == (0, "")


def run_apart(code: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FSSPEC_"))}
    done = subprocess.run(
        [sys.executable, "-c", f"from model_service.storage import *\n{code}"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**kept, **KEYS, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FAULT = "try: read_whole('{location}', 9)\nexcept Exception as error: print(type(error).__name__, error)"


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "FSSPEC_S3_ENDPOINT_URL", "the user's file"])
def test_other_ways_to_name_the_endpoint(bucket: str, endpoint: str, tmp_path: Path, variable: str) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(f"[default]\nendpoint_url = {endpoint}\n")
    named = {"HOME": str(tmp_path)} if variable == "the user's file" else {variable: endpoint}
    assert run_apart(f"print(read_whole('obs://{bucket}/in/b.png', 9))", **named) == "b'b.png'\n"


def test_obs_without_an_endpoint_is_not_looked_for_at_amazon(tmp_path: Path) -> None:
    said = run_apart(FAULT.format(location="obs://bucket/1.png"), HOME=str(tmp_path))
    assert said.startswith("SettingsError obs://bucket/1.png: nothing says where this storage is: set AWS_ENDPOINT_URL")


def test_without_the_library_the_extra_is_named() -> None:
    code = "import sys\nsys.modules['s3fs'] = None\n" + FAULT.format(location="s3://bucket/1.png")
    said = run_apart(code)
    assert said.startswith("SettingsError s3://bucket/1.png: cannot be opened: ")
    assert said.endswith("; pip install 'tf-model-service[s3]'\n")


@pytest.mark.slow  # the library tries again for some seconds
def test_a_storage_that_does_not_answer_says_nothing_about_the_file() -> None:
    said = run_apart(FAULT.format(location="s3://bucket/1.png"), AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert said.startswith("StorageUnavailable s3://bucket/1.png: cannot be read: EndpointConnectionError: ")
