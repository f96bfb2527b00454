"""The two scripts that users upload as they are: what they take, print, refuse and write."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import math
import struct
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_service.tfs.protos import saved_model_pb2
from model_service.tfs.signature import read_saved_model_signature
from model_training import idx
from model_training.mnist import Mnist

RunScript = Callable[..., subprocess.CompletedProcess[str]]
Trained = Callable[[str], tuple[Path, str]]
Predict = Callable[[Path, NDArray[Any]], dict[str, NDArray[Any]]]

TRAIN_FOLDER = Path(__file__).parents[2] / "train"
NAMES = ("tf", "keras")
SIGNATURES = {"tf": "predict_images", "keras": "serving_default"}
EXPECTED_METRICS = {"f1", "accuracy", "precision", "recall"}


def load(name: str) -> types.ModuleType:
    """Import a script; TensorFlow is imported by its train() only."""
    spec = importlib.util.spec_from_file_location(f"train_mnist_{name}", TRAIN_FOLDER / f"train_mnist_{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_a_script_imports_nothing_of_ours(name: str) -> None:
    tree = ast.parse((TRAIN_FOLDER / f"train_mnist_{name}.py").read_text())
    imported = {
        (alias.name if isinstance(node, ast.Import) else str(node.module)).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - set(sys.stdlib_module_names) <= {"numpy", "tensorflow", "keras"}


def test_the_copies_of_the_file_reader_are_equal() -> None:
    """Each script must work alone, so each carries the reader; this is what keeps the three the same."""
    tf, keras = load("tf"), load("keras")
    for function in ("find_idx_file", "read_idx", "read_split"):
        texts = {inspect.getsource(getattr(module, function)) for module in (idx, tf, keras)}
        assert len(texts) == 1, f"{function} differs"
    for function in ("positive_int", "model_folder", "measure", "finish", "main"):
        assert inspect.getsource(getattr(tf, function)) == inspect.getsource(getattr(keras, function)), function
    assert tf.SPLIT_FILES == keras.SPLIT_FILES == idx.SPLIT_FILES
    assert (tf.IMAGES_MAGIC, tf.LABELS_MAGIC) == (keras.IMAGES_MAGIC, keras.LABELS_MAGIC) == (2051, 2049)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_has_one_signature_with_the_documented_tensors(trained: Trained, name: str) -> None:
    model = trained(name)[0] / "model"
    signature = read_saved_model_signature(model)
    assert signature.name == SIGNATURES[name]
    assert [str(spec) for spec in signature.inputs.values()] == ["images: float32 [?, 784]"]
    assert [str(spec) for spec in signature.outputs.values()] == ["scores: float32 [?, 10]"]
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((model / "saved_model.pb").read_bytes())
    (graph,) = saved_model.meta_graphs
    assert set(graph.signature_def) == {SIGNATURES[name], "__saved_model_init_op"}


@pytest.mark.parametrize("name", NAMES)
def test_the_model_recognises_digits_it_has_not_seen(
    trained: Trained, predict: Predict, digits: Mnist, name: str
) -> None:
    folder = trained(name)[0]
    images = digits.test_images.reshape(-1, 784).astype(np.float32) / 255
    outputs = predict(folder / "model", images)
    assert list(outputs) == ["scores"]
    scores = outputs["scores"]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-4)
    accuracy = float((scores.argmax(axis=1) == digits.test_labels).mean())
    assert accuracy >= 0.85
    assert 0.5 < float(np.median(scores.max(axis=1))) < 0.9999
    # what the script measured is what a user gets
    metrics = json.loads((folder / "test_metrics.json").read_text())
    assert set(metrics) == EXPECTED_METRICS
    assert metrics["accuracy"] == pytest.approx(accuracy, abs=0.002)
    assert all(0.85 <= value <= 1 for value in metrics.values())


def test_the_tf_script_prints_what_the_document_promises(trained: Trained) -> None:
    lines = trained("tf")[1].splitlines()
    accuracies = [float(line.split(": ")[1]) for line in lines if line.startswith("training accuracy is: ")]
    assert len(accuracies) == 100  # 1,000 steps, every tenth
    assert accuracies[-1] >= 0.85
    assert [line for line in lines if line in ("Training model...", "Done training!", "Done exporting!")] == [
        "Training model...",
        "Done training!",
        "Done exporting!",
    ]
    assert "step 500 of 1000" in lines


def test_the_tf_script_logs_for_tensorboard(trained: Trained) -> None:
    (log,) = trained("tf")[0].glob("events.out.tfevents.*")
    scalars = list(read_scalars(log))
    for tag in ("accuracy", "cross_entropy"):
        points = [(step, value) for name, step, value in scalars if name == tag]
        assert [step for step, _ in points] == list(range(0, 1000, 10))
        assert all(math.isfinite(value) for _, value in points)
    last = {name: value for name, _, value in scalars}
    assert last["accuracy"] >= 0.85
    assert last["cross_entropy"] < 1000 * math.log(10)  # summed over 1,000 images; guessing gives ln 10 each


def read_scalars(path: Path) -> list[tuple[str, int, float]]:
    """Read a TensorBoard log by hand: (length, checksum, event, checksum) records of Event messages."""
    from google.protobuf.internal.decoder import _DecodeVarint  # type: ignore[attr-defined]

    raw, scalars, start = path.read_bytes(), [], 0
    fields: dict[int, Any] = {}
    while start < len(raw):
        (length,) = struct.unpack_from("<Q", raw, start)
        event = raw[start + 12 : start + 12 + length]
        start += 16 + length
        fields = _fields(event, _DecodeVarint)
        if 5 in fields:  # Event.summary
            value = _fields(_fields(fields[5], _DecodeVarint)[1], _DecodeVarint)  # the only Summary.value
            tensor = _fields(value[8], _DecodeVarint)
            metadata = _fields(_fields(value[9], _DecodeVarint)[1], _DecodeVarint)
            assert metadata[1] == b"scalars"
            (number,) = struct.unpack("<f", tensor[4])
            scalars.append((value[1].decode(), int(fields.get(2, 0)), float(number)))
    return scalars


def _fields(message: bytes, varint: Callable[[bytes, int], tuple[int, int]]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    place = 0
    while place < len(message):
        key, place = varint(message, place)
        if key & 7 == 0:
            found[key >> 3], place = varint(message, place)
        elif key & 7 == 2:
            size, place = varint(message, place)
            found[key >> 3], place = message[place : place + size], place + size
        else:
            size = {1: 8, 5: 4}[key & 7]
            found[key >> 3], place = message[place : place + size], place + size
    return found


def test_environment_variables_stand_in_for_arguments_and_unknown_ones_are_tolerated(
    run_script: RunScript, tiny_mnist: Path, tmp_path: Path
) -> None:
    done = run_script(
        "tf",
        *("--train_url", tmp_path / "flag", "--num_gpus", "0", "--max_steps=1"),
        data_url=str(tiny_mnist),
        train_url=str(tmp_path / "environment"),
        max_steps="7",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "flag" / "model" / "saved_model.pb").is_file()  # a flag wins
    assert not (tmp_path / "environment").exists()
    assert done.stdout.count("training accuracy is:") == 1
    assert "ignoring unknown arguments: --num_gpus 0" in done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_named_without_a_traceback(
    run_script: RunScript, tiny_mnist: Path, tmp_path: Path, name: str
) -> None:
    damaged = tiny_mnist / "t10k-labels-idx1-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    done = run_script(name, "--data_url", tiny_mnist, "--train_url", tmp_path / "out")
    assert done.returncode == 2
    assert f"{damaged}: truncated" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "model").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_never_overwritten(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.txt").write_text("x")
    assert load(name).main(["--data_url", str(tmp_path), "--train_url", str(tmp_path)]) == 2
    assert f"{tmp_path / 'model'}: is not empty" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("train_url", "told"),
    [("s3://bucket/out", "only local folders"), ("file/below", "cannot be used for output (Not a directory)")],
)
def test_an_unusable_output_is_named(
    name: str,
    train_url: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    assert load(name).main(["--data_url", "d", "--train_url", train_url]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert train_url in said


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--train_url", "t"], "--data_url is missing"),
        (["--data_url", "d"], "--train_url is missing"),
        (["--data_url", "d", "--train_url", "t", "--max_steps", "0", "--epochs", "0"], "'0' is not a whole number"),
        (["--data_url", "d", "--train_url", "t", "--max_steps", "x", "--epochs", "x"], "'x' is not a whole number"),
    ],
)
def test_a_wrong_argument_is_told(
    name: str, arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("data_url", "train_url"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SystemExit) as caught:
        load(name).main(arguments)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES)
def test_measure(name: str) -> None:
    scores = np.eye(10, dtype=np.float32)[[0, 0, 1, 1]]
    metrics = load(name).measure(scores, np.array([0, 1, 1, 1], dtype=np.uint8))
    # digit 0: precision 1/2, recall 1; digit 1: precision 1, recall 2/3; eight digits without any: 0
    assert metrics == {
        "f1": pytest.approx((2 / 3 + 4 / 5) / 10, abs=1e-6),
        "accuracy": 0.75,
        "precision": pytest.approx(0.15, abs=1e-6),
        "recall": pytest.approx((1 + 2 / 3) / 10, abs=1e-6),
    }


def test_batches_take_every_image_before_any_again() -> None:
    tf = load("tf")
    taken = list(tf.batches(120, 4))
    assert [len(batch) for batch in taken] == [50] * 4
    assert len(set(np.concatenate(taken[:2]).tolist())) == 100
    assert len(set(np.concatenate(taken[2:]).tolist())) == 100
    assert not np.array_equal(taken[0], taken[2])
    assert [len(batch) for batch in tf.batches(20, 3)] == [20, 20, 20]


def test_an_interrupted_export_leaves_no_model(tmp_path: Path) -> None:
    def half(path: str) -> None:
        Path(path).mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load("tf").finish(tmp_path / "model", half, {})
    assert not (tmp_path / "model").exists()
