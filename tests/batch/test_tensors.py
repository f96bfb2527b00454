"""Runs without hooks: rows of arrays to the model's inputs, outputs to arrays or JSON lines."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from model_service.batch.sources import open_source
from model_service.batch.tensor_batches import tensor_batches
from model_service.tfs.signature import read_saved_model_signature
from tests.batch.conftest import Command
from tests.batch.test_faults import wait_until
from tests.conftest import MakePackage, SavedModels
from tests.models import CLASSES, IMAGE_PIXELS, FloatArray, digits_scores
from tests.processes import child_ids


def as_package(saved_model: SavedModels, kind: str, folder: Path) -> Path:
    """A package without hooks: nothing but the SavedModel."""
    folder.mkdir()
    (folder / "model").symlink_to(saved_model(kind), target_is_directory=True)
    return folder


@pytest.fixture
def digits(saved_model: SavedModels, tmp_path: Path) -> Path:
    return as_package(saved_model, "digits", tmp_path / "digits")


def random_rows(count: int) -> FloatArray:
    return np.random.default_rng(7).random((count, IMAGE_PIXELS), dtype=np.float32)


def test_npy_in_npy_out(digits: Path, tmp_path: Path, digits_server: str) -> None:
    rows = random_rows(150)
    np.save(tmp_path / "rows.npy", rows)
    flags = ("--tensors", "--format", "npy", "--backend", digits_server)
    command = Command(digits, tmp_path / "rows.npy", tmp_path / "out", flags)
    done = command.run()
    assert (done.status, done.stderr) == (0, "")
    scores = np.load(command.output / "scores.npy", allow_pickle=False)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, digits_scores(rows), rtol=1e-4)
    assert (command.output / "failures.jsonl").read_bytes() == b""


def test_json_lines_out(digits: Path, tmp_path: Path, digits_server: str) -> None:
    rows = random_rows(70)
    np.save(tmp_path / "rows.npy", rows)
    command = Command(digits, tmp_path / "rows.npy", tmp_path / "out", ("--tensors", "--backend", digits_server))
    assert command.run().status == 0
    lines = command.lines()
    assert [line["source"] for line in lines] == [f"rows.npy#{index}" for index in range(70)]
    np.testing.assert_allclose([line["answer"]["scores"] for line in lines], digits_scores(rows), rtol=1e-4)


def test_idx_rows_are_reshaped_and_converted_to_the_input(digits: Path, tmp_path: Path, digits_server: str) -> None:
    pictures = np.random.default_rng(8).integers(0, 256, (30, 28, 28), dtype=np.uint8)
    with gzip.open(tmp_path / "t10k-images-idx3-ubyte.gz", "wb") as file:
        file.write(bytes([0, 0, 8, 3]) + np.array(pictures.shape, ">u4").tobytes() + pictures.tobytes())
    flags = ("--tensors", "--format", "npy", "--backend", digits_server)
    command = Command(digits, tmp_path / "t10k-images-idx3-ubyte.gz", tmp_path / "out", flags)
    assert command.run().status == 0
    expected = digits_scores(pictures.reshape(30, IMAGE_PIXELS).astype(np.float32))
    np.testing.assert_allclose(np.load(command.output / "scores.npy"), expected, rtol=1e-3, atol=1e-6)


def test_several_inputs_and_outputs(saved_model: SavedModels, tmp_path: Path) -> None:
    package = as_package(saved_model, "mixed", tmp_path / "mixed")
    inputs = {
        "wide": np.arange(20, dtype=np.int64),
        "flag": np.arange(20) % 2 == 0,
        "tiny": np.linspace(0, 1, 20).astype(np.float16),
        "brain": np.linspace(0, 1, 20).astype(np.float32),
        "byte": np.arange(20, dtype=np.uint8),
    }
    np.savez(tmp_path / "rows.npz", allow_pickle=False, **inputs)
    flags = ("--tensors", "--format", "npy", "--backend", "embedded", "--batch-size", "8")
    command = Command(package, tmp_path / "rows.npz", tmp_path / "out", flags)
    done = command.run()
    assert done.status == 0, done.stderr
    for name, sent in inputs.items():
        answered = np.load(command.output / f"{name}_out.npy", allow_pickle=False)
        np.testing.assert_allclose(answered, sent, rtol=1e-2)
    lines = Command(package, tmp_path / "rows.npz", tmp_path / "lines", ("--tensors", "--backend", "embedded"))
    assert lines.run().status == 0
    assert lines.lines()[4]["answer"]["flag_out"] is True
    assert lines.lines()[5]["answer"]["wide_out"] == 5


def test_text(saved_model: SavedModels, tmp_path: Path) -> None:
    package = as_package(saved_model, "strings", tmp_path / "strings")
    (tmp_path / "rows.jsonl").write_text('"abc"\n"\\u00e9"\n{"text": "x"}\n5\n')
    command = Command(package, tmp_path / "rows.jsonl", tmp_path / "out", ("--tensors", "--backend", "embedded"))
    done = command.run()
    assert done.status == 1
    lines = command.lines()
    assert lines[3]["error_message"] == "the input 'text' takes text, not 5"
    assert [line.get("answer") for line in lines[:3]] == [{"upper": "ABC"}, {"upper": "\u00e9"}, {"upper": "X"}]
    npy = Command(package, tmp_path / "rows.jsonl", tmp_path / "npy", (*command.flags, "--format", "npy"))
    refused = npy.run()
    assert refused.status == 2
    assert "text, which an .npy file cannot hold; use --format jsonl" in refused.stderr


def test_csv_rows_and_rows_that_are_none(saved_model: SavedModels, tmp_path: Path) -> None:
    package = as_package(saved_model, "half_plus_two", tmp_path / "half")
    (tmp_path / "rows.csv").write_text("x\n1\n2\nmany\n4,5\n6\n")
    flags = ("--tensors", "--csv-header", "--backend", "embedded")
    command = Command(package, tmp_path / "rows.csv", tmp_path / "out", flags)
    assert command.run().status == 1
    lines = command.lines()
    assert [line.get("answer") for line in lines] == [{"y": [2.5]}, {"y": [3.0]}, None, None, {"y": [5.0]}]
    assert "could not convert string to float: 'many'" in lines[2]["error_message"]
    assert "do not fit the model's input x: float32 [?, 1]" in lines[3]["error_message"]
    arrays = Command(package, tmp_path / "rows.csv", tmp_path / "npy", (*flags, "--format", "npy", "--batch-size", "1"))
    assert arrays.run().status == 1
    np.testing.assert_array_equal(np.load(arrays.output / "y.npy")[:, 0], [2.5, 3.0, np.nan, np.nan, 5.0])
    failures = [json.loads(line) for line in (arrays.output / "failures.jsonl").read_text().splitlines()]
    assert [failure["item"] for failure in failures] == [2, 3]


def test_rows_of_different_shapes_and_outputs_without_rows(saved_model: SavedModels, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    pictures = [np.full((1, width, 3), width).tolist() for width in (2, 2, 3)]
    rows.write_text("".join(f"{json.dumps(picture)}\n" for picture in pictures))
    signature = read_saved_model_signature(saved_model("pictures"))
    (batch,) = tensor_batches(open_source(str(rows), tmp_path / "spool"), signature, 0, 64)
    assert batch.inputs["images"].shape == (2, 1, 2, 3)
    reason = "the input 'images' has the shape [1, 3, 3], others of its batch [1, 2, 3]; use --batch-size 1"
    assert batch.broken == {2: reason}
    package = as_package(saved_model, "pictures", tmp_path / "pictures")
    refused = Command(package, rows, tmp_path / "out", ("--tensors", "--backend", "embedded")).run()
    assert refused.status == 2
    assert "the output 'shape' has the shape [4] for 2 rows of input; --tensors needs a row for each" in refused.stderr


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((4, 5), np.float32), r"rows of shape [5] do not fit the model's input images: float32 [?, 784]"),
        (np.zeros((4, IMAGE_PIXELS), "S3"), "the package sends"),
    ],
    ids=["shape", "type"],
)
def test_rows_that_do_not_fit_are_refused_before_or_at_the_first_batch(
    digits: Path, tmp_path: Path, digits_server: str, rows: FloatArray, message: str
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    done = Command(digits, tmp_path / "rows.npy", tmp_path / "out", ("--tensors", "--backend", digits_server)).run()
    assert done.status == 2
    assert message in done.stderr or "images" in done.stderr


def test_pictures_need_the_hooks(digits: Path, tmp_path: Path, digits_server: str) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(b"")
    done = Command(digits, tmp_path / "pictures", tmp_path / "out", ("--tensors", "--backend", digits_server)).run()
    assert done.status in (1, 2)
    assert "--tensors takes numbers" in done.stderr


def test_the_model_server_is_killed_in_the_middle(digits: Path, tmp_path: Path) -> None:
    rows = random_rows(40_000)
    np.save(tmp_path / "rows.npy", rows)
    flags = ("--tensors", "--format", "npy", "--backend", "embedded", "--batch-size", "16")
    command = Command(digits, tmp_path / "rows.npy", tmp_path / "out", flags)
    with command.start() as process:
        partial = command.output / "scores.npy.partial"
        wait_until(lambda: partial.exists() and partial.stat().st_size > 10_000, "the first rows")
        (server,) = child_ids(process.pid, "model_service.model_server")
        os.kill(server, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=80)
    assert process.returncode == 0, stderr
    assert "40000 items: 40000 answered" in stdout
    np.testing.assert_allclose(np.load(command.output / "scores.npy"), digits_scores(rows), rtol=1e-4)


def test_killed_and_taken_up_again_leaves_the_same_arrays(digits: Path, tmp_path: Path, digits_server: str) -> None:
    rows = random_rows(60_000)
    np.save(tmp_path / "rows.npy", rows)
    flags = ("--tensors", "--format", "npy", "--backend", digits_server, "--batch-size", "16")
    whole = Command(digits, tmp_path / "rows.npy", tmp_path / "whole", flags)
    assert whole.run().status == 0
    command = Command(digits, tmp_path / "rows.npy", tmp_path / "killed", flags)
    partial = command.output / "scores.npy.partial"
    sizes = []
    for _ in range(4):
        before = partial.stat().st_size if partial.exists() else 0
        with command.start() as process:
            deadline = time.monotonic() + 30
            while (partial.stat().st_size if partial.exists() else 0) <= before + 200_000:
                if process.poll() is not None or time.monotonic() > deadline:
                    break
                time.sleep(0.005)
            os.kill(process.pid, signal.SIGKILL)
        sizes.append(partial.stat().st_size if partial.exists() else 0)
    assert sizes[0] < 60_000 * CLASSES * 4
    assert command.run().status == 0
    assert (command.output / "scores.npy").read_bytes() == (whole.output / "scores.npy").read_bytes()


def test_a_remote_server_needs_no_saved_model(make_package: MakePackage, tmp_path: Path, digits_server: str) -> None:
    package = make_package("digits")
    np.save(tmp_path / "rows.npy", random_rows(5))
    command = Command(package, tmp_path / "rows.npy", tmp_path / "out", ("--tensors", "--backend", digits_server))
    assert command.run().status == 0
