"""Result files and the manifest, as batch services leave them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from model_service.batch.formats.modelarts import write_modelarts
from model_service.batch.lines import answer_line, failure_line, json_text

NOT_UTF8 = os.fsdecode(b"caf\xe9.png")


def write(folder: Path, *sources: str, failed: tuple[int, ...] = (), answers: Any = None) -> list[dict[str, Any]]:
    """Have results written in ``folder``; each answer is the item's number, unless given. Returns the manifest."""
    lines = folder.parent / f"{folder.name}.jsonl"
    with lines.open("wb") as file:
        for index, source in enumerate(sources):
            answer = json_text({"item": index} if answers is None else answers[index])
            line = failure_line(index, source, "no image") if index in failed else answer_line(index, source, answer)
            file.write(line)
    folder.mkdir(exist_ok=True)
    paths = write_modelarts(lines, folder)
    assert paths == [folder / "infer-result", folder / "infer-result-0.manifest"]
    return [json.loads(line) for line in paths[1].read_bytes().splitlines()]


def names(folder: Path) -> set[str]:
    top = folder / "infer-result"
    return {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}


def check(folder: Path, manifest: list[dict[str, Any]]) -> None:
    """Every location in the manifest lies below the result folder, and holds the answer of its own item."""
    top = (folder / "infer-result").resolve()
    for index, line in enumerate(manifest):
        path = folder / line["inference-loc"]
        assert path.resolve().is_relative_to(top)
        assert json.loads(path.read_bytes()) == {"item": index}
    assert len({line["inference-loc"] for line in manifest}) == len(manifest) == len(names(folder))
    assert {path.name for path in folder.iterdir()} == {"infer-result", "infer-result-0.manifest"}


def test_files_and_manifest_are_exactly_these(tmp_path: Path) -> None:
    manifest = write(tmp_path / "out", "1.jpg", "a/ü.jpg", "a/3.jpg", failed=(2,), answers=["x", {"ü": [1.0]}, None])
    assert manifest == [
        {"source": "1.jpg", "result": "SUCCESSFUL", "inference-loc": "infer-result/1.jpg_result.txt"},
        {"source": "a/ü.jpg", "result": "SUCCESSFUL", "inference-loc": "infer-result/a/ü.jpg_result.txt"},
        {"source": "a/3.jpg", "result": "FAILED", "error_message": "no image"},
    ]
    assert names(tmp_path / "out") == {"1.jpg_result.txt", "a/ü.jpg_result.txt"}
    assert (tmp_path / "out/infer-result/1.jpg_result.txt").read_text() == '"x"'
    assert (tmp_path / "out/infer-result/a/ü.jpg_result.txt").read_text() == '{"ü": [1.0]}'


def test_all_items_failed(tmp_path: Path) -> None:
    manifest = write(tmp_path / "out", "1.jpg", "2.jpg", failed=(0, 1))
    assert [line["result"] for line in manifest] == ["FAILED", "FAILED"]
    assert names(tmp_path / "out") == set()


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["x.csv#1", "x.csv#2"], {"x.csv#1_result.txt", "x.csv#2_result.txt"}),
        (["a/1.jpg", "b/1.jpg"], {"a/1.jpg_result.txt", "b/1.jpg_result.txt"}),
        (["1.jpg", "1.jpg", "./1.jpg"], {"1.jpg_result.txt", "1-1.jpg_result.txt", "2-1.jpg_result.txt"}),
        (["s3://b/in/1.jpg", "s3://b/in/x/2.jpg"], {"1.jpg_result.txt", "x/2.jpg_result.txt"}),
        (["s3://b/in/1.jpg", "s3://b/input/1.jpg"], {"in/1.jpg_result.txt", "input/1.jpg_result.txt"}),
        (["s3://b/in/1.jpg", "obs://c/1.jpg"], {"s3/b/in/1.jpg_result.txt", "obs/c/1.jpg_result.txt"}),
        (["/data/in/1.jpg", "/data/2.jpg"], {"in/1.jpg_result.txt", "2.jpg_result.txt"}),
        (["/data/1.jpg", "2.jpg"], {"data/1.jpg_result.txt", "2.jpg_result.txt"}),
        (["/1.jpg", "/2.jpg"], {"1.jpg_result.txt", "2.jpg_result.txt"}),
        (["a/1.jpg", "a/2.jpg"], {"a/1.jpg_result.txt", "a/2.jpg_result.txt"}),
        ([NOT_UTF8], {f"{NOT_UTF8}_result.txt"}),
        (["half \ud800 a character"], {"half ? a character_result.txt"}),
    ],
)
def test_names(tmp_path: Path, sources: list[str], expected: set[str]) -> None:
    manifest = write(tmp_path / "out", *sources)
    check(tmp_path / "out", manifest)
    assert names(tmp_path / "out") == expected
    assert [line["source"] for line in manifest] == sources


@pytest.mark.parametrize(
    "sources",
    [
        ["../../1.jpg", "../1.jpg", "a/../../../1.jpg"],
        ["..", ".", "/", "", "...", "a/..", "//", "\0", "\0..", "\0/../1.jpg", ".\0./.\0./1.jpg"],
        ["/etc/passwd", "/etc/../../etc/passwd", "s3://../../x", "file:///../x"],
        ["x", "x_result.txt/y", "x_result.txt/y_result.txt/z"],
        ["x_result.txt/y", "x"],
        ["2-x", "x", "x", "2-x", "2-2-x", "x"],
        ["1-x", "x", "x", "1-x", "2-0-x", "2-x"],
        ["n" * 255, "n" * 254 + "m", "ü" * 127, "ü" * 126 + "u"],
        ["f" * 255 + "/1", "f" * 256 + "/1", "f" * 300 + "/1", "f" * 301 + "/1"],
        ["d/" * 600 + "1.jpg", "d/" * 601 + "1.jpg", "d/" * 500 + "1.jpg", "d/" * 5000 + "1.jpg"],
        [("long" * 60 + "/") * 20 + "n" * 300],
        ["\ud800/x", "?/x", "\udcff" * 300, "\udcff" * 301],
        ["a\nb", "a\tb", "a\\b", "con", "-", " "],
    ],
    ids=lambda sources: ascii(sources[0])[:20],
)
def test_hostile_names_stay_below_the_result_folder_and_apart(tmp_path: Path, sources: list[str]) -> None:
    manifest = write(tmp_path / "out", *sources)
    check(tmp_path / "out", manifest)
    assert [line["source"] for line in manifest] == sources
    assert {path.name for path in tmp_path.iterdir()} == {"out", "out.jsonl"}


def test_a_form_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    sources = ["a/1.jpg", "b.jpg", "b.jpg"]
    write(out, *sources)
    expected = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "infer-result-0.manifest").rename(out / "infer-result-0.manifest.unfinished")
    (out / "infer-result.unfinished" / "a").mkdir(parents=True)
    (out / "infer-result.unfinished" / "a" / "1.jpg_result.txt").write_text("half")
    (out / "infer-result" / "b.jpg_result.txt").write_text("half")
    check(out, write(out, *sources))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == expected
