"""What the items of an input are, in which order, and what of it can fail; all from real files."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_service.batch.items import BrokenContent, CellsContent, FileContent, Item, RowContent, ValueContent
from model_service.batch.sources import ArraySource, Source, open_source
from model_service.errors import SettingsError
from model_service.storage import StorageError
from model_service.storage.remote import upload_folder

NOT_UTF8 = os.fsdecode(b"caf\xe9.png")

Open = Callable[..., Source]


@pytest.fixture
def open_input(tmp_path_factory: pytest.TempPathFactory) -> Open:
    spool = tmp_path_factory.mktemp("spool") / "inputs.jsonl"

    def open_it(location: str | Path, **options: Any) -> Source:
        return open_source(str(location), spool, **options)

    return open_it


def write(path: Path, content: bytes | str = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def sources_of(items: Iterator[Item]) -> list[tuple[int, str]]:
    return [(item.index, item.source) for item in items]


def test_the_files_of_a_folder(tmp_path: Path, open_input: Open) -> None:
    expected = ["1.png", "a-b.png", "a/1.png", "a/b/1.png", "b/1.png", NOT_UTF8]
    for name in [*reversed(expected), ".hidden.png", ".git/1.png"]:
        write(tmp_path / name, os.fsencode(name))
    source = open_input(tmp_path)
    assert source.count == 6
    items = list(source.items(0))
    assert [(item.index, item.source) for item in items] == list(enumerate(expected))
    for item in items:
        assert isinstance(item.content, FileContent)
        assert Path(item.content.location).read_bytes() == os.fsencode(item.source)
    assert sources_of(source.items(4)) == [(4, "b/1.png"), (5, NOT_UTF8)]
    assert sources_of(source.items(6)) == []


def test_a_file_that_vanishes_keeps_its_place(tmp_path: Path, open_input: Open) -> None:
    for name in "abc":
        write(tmp_path / name)
    source = open_input(tmp_path)
    (tmp_path / "b").unlink()
    write(tmp_path / "aa")
    assert sources_of(source.items(0)) == [(0, "a"), (1, "b"), (2, "c")]


def test_a_pattern_names_files_from_its_first_wildcard_on(tmp_path: Path, open_input: Open) -> None:
    for name in ("x/1.png", "x/1.txt", "y/1.png", "2.png"):
        write(tmp_path / "in" / name)
    assert sources_of(open_input(tmp_path / "in/*/*.png").items(0)) == [(0, "x/1.png"), (1, "y/1.png")]
    assert sources_of(open_input(tmp_path / "in/[xy]/1.png").items(0)) == [(0, "x/1.png"), (1, "y/1.png")]
    assert sources_of(open_input(tmp_path / "in/**").items(1)) == [(1, "x/1.png"), (2, "x/1.txt"), (3, "y/1.png")]
    assert sources_of(open_input(tmp_path / "in/x/*.png").items(0)) == [(0, "1.png")]


@pytest.mark.parametrize("name", ["*.jpg", "empty", "empty.jsonl", "empty.csv", "empty.npy"])
def test_nothing_in_it(tmp_path: Path, open_input: Open, name: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty" / ".hidden")
    write(tmp_path / "empty.jsonl", "\n  \n")
    write(tmp_path / "empty.csv", "\n")
    np.save(tmp_path / "empty.npy", np.empty((0, 3)))
    with pytest.raises(SettingsError, match=r"--input .*: there is nothing in it$"):
        open_input(tmp_path / name)


@pytest.mark.parametrize("name", ["x.png", "x.txt", "x", "x.tar.gz"])
def test_files_of_another_kind(tmp_path: Path, open_input: Open, name: str) -> None:
    with pytest.raises(SettingsError, match=r"must be a folder, a pattern, or a file called \*.manifest, \*.jsonl"):
        open_input(write(tmp_path / name))


def test_what_is_not_there(tmp_path: Path, open_input: Open) -> None:
    with pytest.raises(StorageError, match=r"gone: no such file"):
        open_input(tmp_path / "gone")


# JSON lines


def test_json_lines(tmp_path: Path, open_input: Open) -> None:
    lines = ['\ufeff{"a": 1}', "", '[1, 2.5, "\u00fc"]\r', "   ", "null", '"x"', '{"a": NaN}']
    for path in (write(tmp_path / "x.jsonl", "\n".join(lines)), tmp_path / "y.NDJSON.gz"):
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress("\n".join(lines).encode()))
        source = open_input(path)
        items = list(source.items(0))
        assert source.count == len(items) == 5
        assert [item.source for item in items] == [f"{path.name}#{number}" for number in (1, 3, 5, 6, 7)]
        values = [item.content.value for item in items if isinstance(item.content, ValueContent)]
        assert json.dumps(values) == json.dumps([{"a": 1}, [1, 2.5, "\u00fc"], None, "x", {"a": float("nan")}])
        assert next(source.items(3)) == items[3]


@pytest.mark.parametrize(
    "line",
    [b"{broken", b'{"a": 1} 2', b"\xff\xfe", b"[" * 100_000, b'"' + b"\xc3" + b'"', b"9" * 5000, b"\0"],
    ids=["broken", "two values", "no UTF-8", "too deep", "half a character", "too many digits", "NUL"],
)
def test_a_broken_line_is_one_broken_item(tmp_path: Path, open_input: Open, line: bytes) -> None:
    source = open_input(write(tmp_path / "x.jsonl", b"1\n" + line + b"\n3"))
    first, broken, last = source.items(0)
    assert (first.content, last.content) == (ValueContent(1), ValueContent(3))
    assert isinstance(broken.content, BrokenContent)
    assert broken.content.reason.startswith("x.jsonl, line 2: not JSON: ")
    assert (broken.index, broken.source) == (1, "x.jsonl#2")


def test_a_line_of_a_hundred_megabytes_is_one_broken_item(tmp_path: Path, open_input: Open) -> None:
    path = write(tmp_path / "x.jsonl", b'1\n"' + b"x" * 100_000_000 + b'"\n3\n')
    first, broken, last = open_input(path).items(0)
    assert (first.content, last.content) == (ValueContent(1), ValueContent(3))
    assert broken.content == BrokenContent("x.jsonl, line 2: longer than 67108864 bytes")
    assert (broken.source, last.index) == ("x.jsonl#2", 2)


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
def test_a_file_that_shrinks_loses_no_item_silently(tmp_path: Path, open_input: Open, name: str) -> None:
    path = write(tmp_path / name, "1\n2\n3\n")
    source = open_input(path)
    write(path, "1\n2\n")
    items = source.items(0)
    assert [next(items).index, next(items).index] == [0, 1]
    with pytest.raises(SettingsError, match=r"has become shorter while it was read"):
        next(items)
    write(path, "1\n2\n3\n4\n")
    assert len(list(source.items(0))) == 3


# manifests


def manifest(*sources: Any) -> str:
    return "".join(json.dumps({"source": source}) + "\n" for source in sources)


def test_the_forms_of_sources_in_a_manifest(tmp_path: Path, open_input: Open) -> None:
    path = write(
        tmp_path / "in" / "a.manifest",
        manifest("s3://bucket/1.png", "obs://bucket/2.png", "https://host/3.png?sign=x/y", "/bucket/4.png", "x/5.png")
        + '{"source ": "6.png", "usage": "inference"}\n'
        + manifest("5.png", "5.png", "x/../5.png"),
    )
    items = list(open_input(path).items(0))
    assert [item.source for item in items] == [
        *("s3://bucket/1.png", "obs://bucket/2.png", "https://host/3.png?sign=x/y", "/bucket/4.png", "x/5.png"),
        *("6.png", "5.png", "5.png", "x/../5.png"),
    ]
    assert [item.content for item in items] == [
        FileContent("s3://bucket/1.png"),
        FileContent("obs://bucket/2.png"),
        FileContent("https://host/3.png?sign=x/y"),
        FileContent("/bucket/4.png"),
        FileContent(f"{tmp_path}/in/x/5.png"),
        FileContent(f"{tmp_path}/in/6.png"),
        FileContent(f"{tmp_path}/in/5.png"),
        FileContent(f"{tmp_path}/in/5.png"),
        FileContent(f"{tmp_path}/in/x/../5.png"),
    ]


@pytest.mark.parametrize("line", ["{}", "[]", '"1.png"', '{"source": null}', '{"source": ""}', '{"source": ["1.png"]}'])
def test_a_line_without_a_source(tmp_path: Path, open_input: Open, line: str) -> None:
    path = write(tmp_path / "a.manifest", f"{line}\n{manifest('1.png')}")
    broken, item = open_input(path).items(0)
    assert broken.content == BrokenContent("a.manifest#1: a line of a manifest needs the text field source")
    assert item.content == FileContent(f"{tmp_path}/1.png")


def test_a_manifest_by_url_in_a_chain_names_what_lies_beside_it(tmp_path: Path, open_input: Open) -> None:
    write(tmp_path / "in" / "deep" / "a.manifest", manifest("1.png"))
    write(tmp_path / "in" / "deep" / "1.png", b"one")
    shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path / "in")
    for location in (f"zip://deep/a.manifest::{tmp_path}/all.zip", f"file://{tmp_path}/in/deep/a.manifest"):
        (item,) = open_input(location).items(0)
        assert item.content == FileContent(location.replace("a.manifest", "1.png"))


# CSV


def cells(source: Source) -> list[tuple[str, ...]]:
    return [item.content.cells for item in source.items(0) if isinstance(item.content, CellsContent)]


def test_csv_rows(tmp_path: Path, open_input: Open) -> None:
    text = '\ufeff5.1,"a ""b"", c"\r\n\r\n1\n"two\nlines",x\r\n,\n" ü ",1,2'
    expected = [("5.1", 'a "b", c'), ("1",), ("two\nlines", "x"), ("", ""), (" ü ", "1", "2")]
    plain = write(tmp_path / "x.csv", text)
    for path in (plain, write(tmp_path / "y.CSV.gz", gzip.compress(text.encode()))):
        source = open_input(path)
        assert source.count == 5
        assert cells(source) == expected
        assert [item.source for item in source.items(2)] == [f"{path.name}#{line}" for line in (5, 6, 7)]
    headed = open_input(plain, csv_has_header=True)
    assert headed.count == 4
    assert sources_of(headed.items(0))[0] == (0, "x.csv#3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'1,2\n"open,3\n4,5\n', "x.csv, line 3: no CSV: unexpected end of data"),
        (b'1,2\n"a"b,3\n', "x.csv, line 2: no CSV: ',' expected after '\"'"),
        (b"1,2\n3,\xff\n", "x.csv, line 2: not UTF-8: "),
        ("1,2\n3,4".encode("utf-16"), "x.csv, line 1: not UTF-8: "),
        (b"1\n" + b"x" * 200_000, "x.csv, line 2: no CSV: field larger than field limit"),
        (b"1," * 40_000_000, "x.csv, line 1: longer than 67108864 bytes"),
    ],
    ids=["open quote", "quote within", "bytes", "utf-16", "long field", "long line"],
)
def test_what_is_no_csv_is_said_before_the_run(tmp_path: Path, open_input: Open, content: bytes, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_input(write(tmp_path / "x.csv", content))
    assert message in str(caught.value)


# arrays


def test_rows_of_an_array(tmp_path: Path, open_input: Open) -> None:
    rows = np.arange(150 * 4, dtype=np.float32).reshape(150, 4)
    np.save(tmp_path / "x.npy", rows)
    source = open_input(tmp_path / "x.npy")
    assert source.count == 150
    for start in (0, 1, 64, 149, 150):
        items = list(source.items(start))
        assert sources_of(iter(items)) == [(index, f"x.npy#{index}") for index in range(start, 150)]
        for item in items:
            assert isinstance(item.content, RowContent)
            np.testing.assert_array_equal(item.content.row, rows[item.index])


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte.gz", "images.idx"])
def test_idx_by_its_names(tmp_path: Path, open_input: Open, name: str) -> None:
    content = b"\0\0\x08\3" + bytes([0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1]) + bytes(range(6))
    source = open_input(write(tmp_path / name, gzip.compress(content) if name.endswith(".gz") else content))
    assert [item.content.row.tolist() for item in source.items(0) if isinstance(item.content, RowContent)] == [
        [[0], [1], [2]],
        [[3], [4], [5]],
    ]


def test_large_rows_are_read_a_few_at_a_time(tmp_path: Path, open_input: Open) -> None:
    path = tmp_path / "x.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(64, 16_000_000)).flush()  # all of it a hole
    source = open_input(path)
    assert source.count == 64
    total, peak_bytes = measured(
        "sum(len(item.content.row) for item in open_source(sys.argv[1], Path(sys.argv[2])).items(54))",
        str(path),
        str(tmp_path / "spool"),
    )
    assert total == 10 * 16_000_000
    assert peak_bytes < total


def test_several_arrays_are_for_tensors_only(tmp_path: Path, open_input: Open) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros((3, 2)), b=np.zeros(3))
    source = open_input(tmp_path / "x.npz")
    assert isinstance(source, ArraySource)
    with pytest.raises(SettingsError, match=r"x.npz: holds the arrays a, b; a hook takes one. Use --tensors"):
        next(iter(source.items(0)))
    blocks = list(source.row_blocks(1, 2))
    assert [(first, {name: array.shape for name, array in arrays.items()}) for first, arrays in blocks] == [
        (1, {"a": (2, 2), "b": (2,)})
    ]


def test_an_array_that_is_cut_off_is_said_before_the_run(tmp_path: Path, open_input: Open) -> None:
    np.save(tmp_path / "x.npy", np.zeros((100, 4)))
    write(tmp_path / "y.npy", (tmp_path / "x.npy").read_bytes()[:-8])
    with pytest.raises(SettingsError, match=r"y.npy: ends before the 100 rows that its header announces"):
        open_input(tmp_path / "y.npy")


# what two runs have in common


@pytest.mark.parametrize("name", ["in", "in/*", "x.jsonl", "x.csv", "x.manifest", "x.npy"])
def test_a_fingerprint_changes_with_the_input(tmp_path: Path, open_input: Open, name: str) -> None:
    write(tmp_path / "in" / "1.png")
    np.save(tmp_path / "x.npy", np.zeros(3))
    for text_name in ("x.jsonl", "x.csv", "x.manifest"):
        write(tmp_path / text_name, "1\n2\n")
    before = open_input(tmp_path / name).fingerprint
    assert open_input(tmp_path / name).fingerprint == before
    write(tmp_path / "in" / "1.png", b"longer")
    np.save(tmp_path / "x.npy", np.zeros(4))
    for text_name in ("x.jsonl", "x.csv", "x.manifest"):
        write(tmp_path / text_name, "1\n3\n")
    assert open_input(tmp_path / name).fingerprint != before


def test_the_same_lines_elsewhere_are_another_input(tmp_path: Path, open_input: Open) -> None:
    """Their results differ: sources of manifests are relative to them, and other results have the name in them."""
    names = ["a/x.manifest", "b/x.manifest", "a/x.jsonl", "a/y.jsonl", "a/x.csv", "a/y.csv"]
    prints = {open_input(write(tmp_path / name, "1\n")).fingerprint for name in names}
    assert len(prints) == len(names)


def test_a_touched_text_file_is_the_same_input(tmp_path: Path, open_input: Open) -> None:
    for name in ("x.jsonl", "x.csv", "x.manifest"):
        path = write(tmp_path / name, "1\n")
        before = open_input(path).fingerprint
        os.utime(path, (1, 1))
        assert open_input(path).fingerprint == before


# by URL


def test_every_kind_by_url(tmp_path: Path, open_input: Open) -> None:
    folder = tmp_path / "in"
    write(folder / "images" / "a" / "1.png")
    write(folder / "x.jsonl", "1\n2\n")
    write(folder / "x.csv", "1\n2\n")
    np.save(folder / "x.npy", np.arange(3))
    shutil.make_archive(str(tmp_path / "all"), "zip", folder)
    upload_folder(folder, "memory://batch-sources")
    for pattern in (f"file://{folder}/{{}}", f"zip://{{}}::{tmp_path}/all.zip", "memory://batch-sources/{}"):
        for name, expected in {
            "images": ["a/1.png"],
            "images/*/*.png": ["a/1.png"],
            "x.jsonl": ["x.jsonl#1", "x.jsonl#2"],
            "x.csv": ["x.csv#1", "x.csv#2"],
            "x.npy": ["x.npy#0", "x.npy#1", "x.npy#2"],
        }.items():
            source = open_input(pattern.format(name))
            assert [item.source for item in source.items(0)] == expected, pattern.format(name)


# size


def measured(expression: str, *arguments: str) -> tuple[int, int]:
    """The value of an expression in a process of its own, and the most memory that was resident, in bytes."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom model_service.batch.sources import open_source\n"
        f"print({expression})\n"
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    value, peak_kilobytes = map(int, done.stdout.split())
    return value, peak_kilobytes * 1024


COUNT_AND_READ = "sum(1 for item in open_source(sys.argv[1], Path(sys.argv[2])).items(0))"


@pytest.mark.parametrize("many", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_many_lines_take_no_more_memory_than_a_thousand(tmp_path: Path, many: int) -> None:
    peaks = {}
    for count in (1000, many):
        path = tmp_path / f"{count}.manifest"
        with path.open("w") as lines:
            lines.writelines(f'{{"source": "/bucket/images/{number:07}.png"}}\n' for number in range(count))
        counted, peaks[count] = measured(COUNT_AND_READ, str(path), str(tmp_path / "spool"))
        assert counted == count
    assert peaks[many] < peaks[1000] + 5_000_000


def test_a_folder_of_many_files_holds_only_their_names(tmp_path: Path) -> None:
    peaks = {}
    for count in (100, 30_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        for number in range(count):
            os.close(os.open(folder / f"{number:07}.png", os.O_CREAT | os.O_WRONLY))
        counted, peaks[count] = measured(COUNT_AND_READ, str(folder), str(tmp_path / "spool"))
        assert counted == count
    assert peaks[30_000] - peaks[100] < 30_000 * 200
