"""Files with labels."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_service.errors import ModelServiceError
from model_service.evaluation.labels import Labels, read_labels


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels"


def idx(*shape: int, element_type: int = 8, content: bytes = b"") -> bytes:
    return bytes([0, 0, element_type, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + content


def error(path: Path, content: bytes | str | None = None) -> str:
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ModelServiceError) as caught:
        read_labels(path)
    return str(caught.value)


def read(path: Path, content: bytes | str) -> Labels:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_labels(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx(path: Path, pack: Any) -> None:
    assert read(path, pack(idx(3, content=b"\x07\x00\x09"))) == Labels(path, ("7", "0", "9"))
    assert read(path, pack(idx(1, element_type=0x0C, content=struct.pack(">i", 70000)))).names == ("70000",)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_folder_with_the_t10k_file(tmp_path: Path, ending: str) -> None:
    content = idx(2, content=b"\x01\x02")
    path = tmp_path / f"t10k-labels-idx1-ubyte{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    assert read_labels(tmp_path) == Labels(path, ("1", "2"))


def test_array(path: Path) -> None:
    for values, names in (([3, 1], ("3", "1")), ([[3], [1]], ("3", "1")), (["cat", "dog"], ("cat", "dog"))):
        with path.open("wb") as file:
            np.save(file, np.array(values))
        assert read_labels(path).names == names


@pytest.mark.parametrize(
    ("text", "names", "sources"),
    [
        ("7\n2\n", ("7", "2"), None),
        ("label\n7\n2", ("7", "2"), None),
        ("cat\r\na dog\r\n\r\n", ("cat", "a dog"), None),
        ('"cat, wild"\n', ("cat, wild",), None),
        ("a/1.jpg,cat\nb/2.jpg,7\n", ("cat", "7"), ("a/1.jpg", "b/2.jpg")),
        ("source,label\n1.jpg, cat\n", ("cat",), ("1.jpg",)),
        ("label,file\ncat,1.jpg\n", ("cat",), ("1.jpg",)),
        ("image_path,label\n1.jpg,cat\n", ("cat",), ("1.jpg",)),
        ("\ufeffSource,Label\n1.jpg,cat\n", ("cat",), ("1.jpg",)),
        ("width,source,label\n3,1.jpg,cat\n", ("cat",), ("1.jpg",)),
        ("a.jpg,label\nb.jpg,class\n", ("label", "class"), ("a.jpg", "b.jpg")),
        ('"a, b.jpg","say ""cat"""\n', ('say "cat"',), ("a, b.jpg",)),
        ("猫\n狗\n", ("猫", "狗"), None),
    ],
)
def test_csv(path: Path, text: str, names: tuple[str, ...], sources: tuple[str, ...] | None) -> None:
    assert read(path, text) == Labels(path, names, sources)


@pytest.mark.parametrize(
    ("entries", "names", "sources"),
    [
        ([{"source": "s3://b/1.jpg", "annotation": [{"type": "modelarts/image_classification", "name": "cat"}]}],
         ("cat",), ("s3://b/1.jpg",)),
        ([{"source": "1", " annotation ": [{"name": "a"}, {"name": "a"}]}], ("a",), ("1",)),
        ([{"annotation": {"name": "cat"}}, {"annotation": "dog"}], ("cat", "dog"), None),
        ([{"label": 7}, {"label": "cat"}, {"label": 3.0}], ("7", "cat", "3"), None),
    ],
)  # fmt: skip
def test_manifest(path: Path, entries: list[Any], names: tuple[str, ...], sources: tuple[str, ...] | None) -> None:
    assert read(path, "\n".join(map(json.dumps, entries))) == Labels(path, names, sources)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            idx(1, 28, 28, content=bytes(784)),
            "uint8 [1, 28, 28] are no labels, integers [N] are. Is this the file with",
        ),
        (idx(1, element_type=0x0D, content=bytes(4)), "float32 [1] are no labels"),
        (idx(3, content=b"12"), "truncated"),
        (gzip.compress(b"cat\ndog\n", mtime=0), "a packed file, and no IDX file in it. Unpack it first"),
        (gzip.compress(idx(3, content=b"123"), mtime=0)[:-6], "gzip data is damaged"),
        (b"\x1f\x8b", "gzip data is damaged"),
        (idx(0), "holds no labels"),
        (b"", "holds no labels"),
        (b"\n\n", "holds no labels"),
        ("label\n", "holds no labels"),
        ("1.jpg,cat\n2.jpg\n", 'line 2: 1 columns, the first line has 2: ["2.jpg"]. Put text that holds commas'),
        ("a,b,c\n", "line 1: 3 columns and no header"),
        ("1.jpg,\n", "line 1: the label is empty"),
        ("1.jpg,cat\n,dog\n", "label 1 (counted from 0) names no source"),
        ('"cat\n', "not CSV"),
        (b"\x89PNG\r\n\x1a\n\xff\xff", "no kind of label file that is known"),
        ("x" * 200_000, "not CSV: field larger than"),
        ("{", "line 1: not JSON"),
        ('{"source": "1"}', "line 1: has neither annotation nor label; it has: source"),
        ('{"annotation": []}', "line 1: 0 annotations: []. Each item needs exactly one class"),
        ('{"annotation": [{"name": "a"}, {"name": "b"}]}', 'line 1: 2 annotations: ["a", "b"]'),
        ('{"annotation": [{"annotation-loc": "x.xml"}]}', "line 1: the label null is neither"),
        ('{"label": true}', "line 1: the label true is neither a text nor a whole number"),
        ('{"label": 0.5}', "line 1: the label 0.5 is neither"),
        ('{"source": "1", "label": 1}\n{"label": 1}', "label 1 (counted from 0) names no source"),
    ],
)
def test_what_is_no_label_file(path: Path, content: bytes | str, message: str) -> None:
    text = error(path, content)
    assert text.startswith(str(path))
    assert message in text


def test_arrays_that_are_no_labels(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.eye(3))
    assert "numpy.argmax(labels, axis=1) makes them" in error(path)
    with path.open("wb") as file:
        np.save(file, np.array([{}], object))
    assert "Python objects are not read" in error(path)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in error(tmp_path / "nowhere")
    (tmp_path / "x.csv").touch()
    assert "holds no t10k-labels-idx1-ubyte or" in error(tmp_path)
    assert "found: x.csv" in error(tmp_path)
