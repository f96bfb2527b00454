"""The three BitaHub scripts: what they take, print, refuse and write; each runs alone on the original platform too."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_service.tfs.signature import read_saved_model_signature
from model_training import idx
from model_training.mnist import Mnist
from tests.conftest import SavedModels, quiet_environment

Predict = Callable[[Path, NDArray[Any]], dict[str, NDArray[Any]]]
Capture = pytest.CaptureFixture[str]

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "train" / "bitahub"
NAMES = ("train", "predict", "evaluate")
FILES = {
    "train": ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"],
    "predict": ["t10k-images-idx3-ubyte.gz"],
    "evaluate": ["t10k-labels-idx1-ubyte.gz"],
}


def load(name: str) -> types.ModuleType:
    """Import a script; TensorFlow is imported only when it has something to do."""
    spec = importlib.util.spec_from_file_location(f"bitahub_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(name: str, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start a script; it finds model_service in this repository."""
    return subprocess.Popen(
        [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**quiet_environment(), "PYTHONPATH": str(REPOSITORY), **environment},
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a script and return what it printed."""
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def phase_folders(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By script, a folder with nothing but the files that its phase needs."""
    folders = {}
    for name, files in FILES.items():
        folders[name] = tmp_path_factory.mktemp(name)
        for file in files:
            shutil.copy(mnist_folder / file, folders[name])
    return folders


@pytest.fixture(scope="module")
def trained(phase_folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The --output-dir of a run with the document's own schedule, read-only, and what was printed."""
    folder = tmp_path_factory.mktemp("output") / "dense-mnist-tf"
    return folder, finish(start("train", "--data-dir", phase_folders["train"], "--output-dir", folder))


@pytest.fixture(scope="module")
def predicted(
    phase_folders: dict[str, Path], trained: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[NDArray[np.int64], str]]:
    """The digits, and what was printed, over gRPC and in the process of the script."""
    data, found = phase_folders["predict"], {}
    for way, flags in {"grpc": [], "direct": ["--direct"]}.items():
        folder = tmp_path_factory.mktemp(way)
        out = finish(start("predict", "--model-dir", trained[0], "--data-dir", data, "--output-dir", folder, *flags))
        assert [path.name for path in folder.iterdir()] == ["prediction_results.npy"]
        found[way] = np.load(folder / "prediction_results.npy", allow_pickle=False), out
    return found


def test_the_three_in_sequence_reach_the_accuracy_of_the_document(
    phase_folders: dict[str, Path],
    predicted: dict[str, tuple[NDArray[np.int64], str]],
    digits: Mnist,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    results = tmp_path / "results.npy"
    np.save(results, predicted["grpc"][0])
    output = tmp_path / "a" / "output"
    flags = ["--label-dir", phase_folders["evaluate"], "--predictions", results, "--output-dir", output]
    assert load("evaluate").main([str(flag) for flag in flags]) == 0
    assert [path.name for path in output.iterdir()] == ["evaluation_result.json"]
    result = json.loads((output / "evaluation_result.json").read_text())
    assert result == {"accuracy": float((predicted["grpc"][0] == digits.test_labels).mean())}
    assert result["accuracy"] >= 0.88
    assert f"Accuracy is {result['accuracy']}\n" in capsys.readouterr().out


def test_training_prints_its_way(trained: tuple[Path, str]) -> None:
    out = trained[1]
    assert "TensorFlow 2." in out
    assert "GPUs: 0" in out
    assert "train-images-idx3-ubyte.gz" in out
    assert "t10k" not in out
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("Epoch")] == ["Epoch 1/2", "Epoch 2/2"]
    assert f"The model is saved to {trained[0]}" in out


def test_the_model_is_whole_and_takes_pictures(trained: tuple[Path, str], predict: Predict, digits: Mnist) -> None:
    folder = trained[0]
    assert {"saved_model.pb", "variables"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.glob(".*"))
    signature = read_saved_model_signature(folder)
    assert signature.name == "serving_default"
    assert [str(spec) for spec in signature.inputs.values()] == ["images: float32 [?, 28, 28]"]
    assert [str(spec) for spec in signature.outputs.values()] == ["logits: float32 [?, 10]"]
    logits = predict(folder, digits.test_images[:50].astype(np.float32) / 255)["logits"]
    assert logits.min() < 0  # no probabilities: the platform's server takes the softmax itself
    assert (logits.argmax(axis=1) == digits.test_labels[:50]).mean() > 0.8


def test_both_ways_predict_the_same_digits(predicted: dict[str, tuple[NDArray[np.int64], str]]) -> None:
    served, direct = predicted["grpc"], predicted["direct"]
    assert served[0].dtype == direct[0].dtype == np.int64
    assert served[0].shape == (1000,)
    np.testing.assert_array_equal(served[0], direct[0])
    assert ("over gRPC" in served[1], "over gRPC" in direct[1]) == (True, False)
    assert ("TensorFlow" in served[1], "TensorFlow" in direct[1]) == (False, True)


def test_where_this_package_is_not_installed_nothing_is_served(tmp_path: Path, trained: tuple[Path, str]) -> None:
    (tmp_path / "model_service.py").write_text("")  # hides ours, and has nothing to import
    code = "import numpy, pathlib, sys, predict; print(predict.predict_served(pathlib.Path(sys.argv[1]), None))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(trained[0])],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{SCRIPTS}"},
    )
    assert (done.stdout, done.stderr) == ("None\n", "")


def test_a_model_for_rows_is_given_rows(saved_model: SavedModels, digits: Mnist) -> None:
    """What train_mnist_tf.py writes takes [N, 784]."""
    inputs = digits.test_images[:7].astype(np.float32) / 255
    assert load("predict").predict_served(saved_model("digits"), inputs).shape == (7,)


def test_a_model_that_takes_no_digits(
    saved_model: SavedModels, phase_folders: dict[str, Path], capsys: Capture
) -> None:
    model = str(saved_model("half_plus_two"))
    assert load("predict").main(["--model-dir", model, "--data-dir", str(phase_folders["predict"])]) == 2
    assert "the model takes an input of shape [None, 1]" in capsys.readouterr().err


def test_a_folder_without_a_model(tmp_path: Path, capsys: Capture) -> None:
    assert load("predict").main(["--model-dir", str(tmp_path)]) == 2
    assert f"{tmp_path}: holds no saved_model.pb" in capsys.readouterr().err


def test_a_model_one_folder_deeper_is_pointed_at(saved_model: SavedModels, capsys: Capture, tmp_path: Path) -> None:
    shutil.copytree(saved_model("digits"), tmp_path / "dense-mnist-tf")
    assert load("predict").main(["--model-dir", str(tmp_path)]) == 2
    assert f"There is one in {tmp_path / 'dense-mnist-tf'}" in capsys.readouterr().err


# Alone, and on the original platform


def test_the_scripts_need_no_python_newer_than_the_original_platforms() -> None:
    command = [sys.executable, "-c", "import vermin; vermin.main()", "--no-tips", "--target=3.6-"]
    done = subprocess.run(
        [*command, *(str(SCRIPTS / f"{name}.py") for name in NAMES)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Minimum required versions: 3.6" in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_script_imports_nothing_that_is_not_there(name: str) -> None:
    tree = ast.parse((SCRIPTS / f"{name}.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    inside = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]

    def tops(nodes: list[ast.Import | ast.ImportFrom]) -> set[str]:
        found = set()
        for node in nodes:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            found |= {imported.split(".")[0] for imported in names}
        return found - set(sys.stdlib_module_names)

    assert tops(top) == {"numpy"}
    assert tops(inside) - {"numpy", "tensorflow"} == ({"model_service", "grpc"} if name == "predict" else set())


def test_the_copies_are_equal() -> None:
    modules = [load(name) for name in NAMES]
    seen: dict[str, set[str]] = {}
    for module in modules:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            seen.setdefault(name, set()).add(inspect.getsource(function))
    own = {"main", "model_folder", "run", "parse_arguments"}
    assert {name for name, sources in seen.items() if len(sources) > 1} <= own
    for name in ("find_idx_file", "read_idx", "make_folder"):
        assert all(hasattr(module, name) for module in modules)
    for name in ("main", "join_cluster", "make_strategy", "read_images"):
        assert inspect.getsource(getattr(modules[0], name)) == inspect.getsource(getattr(modules[1], name))


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda content: content,
    "short": lambda content: content[:-1],
    "long": lambda content: content + b"\0",
    "no header": lambda content: content[:6],
    "empty": lambda content: b"",
    "other magic": lambda content: b"\0\0\x08\x03" + content[4:],
    "half a gzip": lambda content: b"\x1f\x8b" + content,
    "huge": lambda content: content[:4] + b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_reader_says_what_that_of_the_package_says(damage: str, tmp_path: Path) -> None:
    """It is no copy, because it must do with an older Python."""
    path = tmp_path / "labels"
    path.write_bytes(DAMAGES[damage](b"\0\0\x08\x01\0\0\0\x03\1\2\3"))

    def outcome(module: Any) -> str:
        try:
            return str(module.read_idx(path, 0x0801).tolist())
        except Exception as error:  # noqa: BLE001 - of two modules, each with a class of its own
            return f"{type(error).__name__}: {error}"

    assert outcome(load("evaluate")) == outcome(idx)


# Wrong input


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("train", ["--epochs", "two"], "'two' is not a whole number"),
        ("train", ["--strategy", "some"], "invalid choice"),
        ("predict", ["--data-dir", "d"], "--model-dir"),
        ("evaluate", ["--label-dir", "l", "--output-dir", "o"], "--predictions"),
        ("evaluate", ["--predictions", "p", "--output-dir", "o"], "--label-dir"),
        ("evaluate", ["--predictions", "p", "--label-dir", "l"], "--output-dir"),
    ],
)
def test_a_wrong_argument_is_told(name: str, arguments: list[str], told: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        load(name).main(arguments)
    assert caught.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("train", "train-images-idx3-ubyte"),
        ("predict", "t10k-images-idx3-ubyte"),
        ("evaluate", "t10k-labels-idx1-ubyte"),
    ],
)
def test_a_missing_file_is_named(
    name: str, needed: str, tmp_path: Path, saved_model: SavedModels, capsys: Capture
) -> None:
    (tmp_path / "other.gz").write_text("")
    data = ["--label-dir" if name == "evaluate" else "--data-dir", str(tmp_path)]
    more = {
        "train": [],
        "predict": ["--model-dir", str(saved_model("digits"))],
        "evaluate": ["--predictions", "p", "--output-dir", "o"],
    }
    assert load(name).main([*data, *more[name]]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / needed}: missing" in said
    assert "other.gz" in said


def test_images_and_labels_that_do_not_belong_together(tiny_mnist: Path, capsys: Capture) -> None:
    shutil.copy(tiny_mnist / "t10k-labels-idx1-ubyte", tiny_mnist / "train-labels-idx1-ubyte")
    assert load("train").main(["--data-dir", str(tiny_mnist)]) == 2
    assert "60 images" in capsys.readouterr().err


def test_a_model_is_never_overwritten(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "saved_model.pb").write_text("mine")
    assert load("train").main(["--data-dir", "d", "--output-dir", str(tmp_path)]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert (tmp_path / "saved_model.pb").read_text() == "mine"


def test_an_output_that_cannot_be_used(tmp_path: Path, saved_model: SavedModels, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    below = str(tmp_path / "file" / "below")
    assert load("train").main(["--data-dir", "d", "--output-dir", below]) == 2
    assert load("predict").main(["--model-dir", str(saved_model("digits")), "--output-dir", below]) == 2
    said = capsys.readouterr().err
    assert said.count(f"{below}: cannot be used for output (Not a directory)") == 2


@pytest.fixture
def labels_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x04\1\2\3\4")
    return folder


def evaluate(labels_folder: Path, predictions: Path) -> int:
    flags = ["--label-dir", labels_folder, "--predictions", predictions, "--output-dir", labels_folder]
    status: int = load("evaluate").main([str(flag) for flag in flags])
    return status


@pytest.mark.parametrize("predictions", [[1, 2, 3, 5], [[1], [2], [0], [4]], [1.0, 2.0, 9.0, 4.0]])
def test_accuracy_is_the_share_of_equal_digits(labels_folder: Path, tmp_path: Path, predictions: list[Any]) -> None:
    np.save(tmp_path / "p.npy", np.array(predictions))
    assert evaluate(labels_folder, tmp_path / "p.npy") == 0
    assert json.loads((labels_folder / "evaluation_result.json").read_text()) == {"accuracy": 0.75}


class Marker:
    """Unpickled, it would leave a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def save_archive(path: Path) -> None:
    with path.open("wb") as file:  # by name, NumPy would append .npz
        np.savez(file, a=np.zeros(4))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: np.save(path, np.array([1, 2, 3])), "3 predictions but"),
        (lambda path: np.save(path, np.zeros((4, 10))), "40 predictions but"),
        (lambda path: np.save(path, np.array(["a"])), "<U1"),
        (lambda path: np.save(path, np.array([Marker(path.parent / "harm")]), allow_pickle=True), "no .npy file"),
        (lambda path: path.write_bytes(pickle.dumps(Marker(path.parent / "harm"))), "no .npy file"),
        (lambda path: path.write_bytes(b""), "no .npy file"),
        (lambda path: path.write_bytes(b"PK\3\4nothing"), "no .npy file"),
        (lambda path: save_archive(path), ".npz"),
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "Is a directory"),
    ],
)
def test_predictions_that_are_none(
    labels_folder: Path, tmp_path: Path, capsys: Capture, make: Callable[[Path], Any], told: str
) -> None:
    path = tmp_path / "predictions.npy"
    make(path)
    assert evaluate(labels_folder, path) == 2
    said = capsys.readouterr().err
    assert str(path) in said
    assert told in said
    assert not (tmp_path / "harm").exists()
    assert not (labels_folder / "evaluation_result.json").exists()


# Several workers


WORKERS = ("TF_CONFIG", "VK_TASK_INDEX", "VC_TASK_INDEX", "VC_TASK_NAME", "VC_WORKER_HOSTS", "VC_TASK_HOSTS")
TWO = '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": %d}}'
VOLCANO = {"cluster": {"worker": ["a:20000", "b:20000"]}, "task": {"type": "worker", "index": 1}}


def join(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> tuple[bool, Any]:
    for name in WORKERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    is_chief = load("train").join_cluster()
    return is_chief, json.loads(os.environ["TF_CONFIG"])


@pytest.mark.parametrize(
    ("variables", "is_chief", "config"),
    [
        ({"TF_CONFIG": TWO % 0, "VK_TASK_INDEX": "1", "VC_WORKER_HOSTS": "c,d"}, True, json.loads(TWO % 0)),
        ({"TF_CONFIG": TWO % 1}, False, json.loads(TWO % 1)),
        ({"VK_TASK_INDEX": "1", "VC_WORKER_HOSTS": "a,b"}, False, VOLCANO),
        ({"VC_TASK_INDEX": "1", "VC_TASK_NAME": "task1", "VC_TASK1_HOSTS": "a, b"}, False, VOLCANO),
    ],
)
def test_a_worker_knows_the_others(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_chief: bool, config: Any
) -> None:
    assert join(monkeypatch, variables) == (is_chief, config)


def test_a_cluster_may_name_its_chief(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"type": "%s", "index": 0}}'
    assert join(monkeypatch, {"TF_CONFIG": text % "chief"})[0]
    assert not join(monkeypatch, {"TF_CONFIG": text % "worker"})[0]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "VC_WORKER_HOSTS"),
        ({"VK_TASK_INDEX": "0"}, "VC_WORKER_HOSTS"),
        ({"VC_WORKER_HOSTS": "a,b"}, "VK_TASK_INDEX"),
        ({"VK_TASK_INDEX": "2", "VC_WORKER_HOSTS": "a,b"}, "worker 2"),
        ({"TF_CONFIG": "{"}, "wanted is JSON"),
        ({"TF_CONFIG": "[]"}, "wanted is JSON"),
        ({"TF_CONFIG": '{"cluster": {"worker": []}}'}, "wanted is JSON"),
    ],
)
def test_a_worker_that_cannot_tell_who_the_others_are(
    monkeypatch: pytest.MonkeyPatch, tiny_mnist: Path, capsys: Capture, variables: dict[str, str], told: str
) -> None:
    for name in WORKERS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(os.environ, "TF_CONFIG", os.environ.get("TF_CONFIG", ""))  # restored afterwards
    assert load("train").main(["--data-dir", str(tiny_mnist), "--strategy", "multi_worker_mirrored"]) == 2
    assert told in capsys.readouterr().err


def test_batches_take_every_image_before_any_again() -> None:
    chosen = load("train").batches(100, 40)
    taken = np.concatenate([next(chosen) for _ in range(5)])
    assert sorted(taken[:100].tolist()) == sorted(taken[100:].tolist()) == list(range(100))
    assert not np.array_equal(taken[:100], taken[100:])
    assert len(next(load("train").batches(3, 64))) == 64


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def run_workers(name: str, *arguments: str | Path) -> list[str]:
    """Run a script as two workers with the same arguments; what each printed."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    strategy = ("--strategy", "multi_worker_mirrored")
    processes = [start(name, *arguments, *strategy, TF_CONFIG=config) for config in configs]
    try:
        return [finish(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


MIRRORED = """
import pathlib, sys
import tensorflow as tf
import train, predict
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
data, output = map(pathlib.Path, sys.argv[1:])
images, labels = train.read_split(data, train.TRAIN_IMAGES, train.TRAIN_LABELS)
model, accuracy = train.fit(tf, strategy, images, labels, 2)
train.save(tf, model, train.model_folder(output), True)
inputs = train.as_inputs(train.read_images(train.find_idx_file(data, train.TEST_IMAGES)))
digits = predict.predict_here(tf, strategy, output, inputs)
called = tf.saved_model.load(str(output))(inputs)
assert (tf.argmax(called, axis=1).numpy() == digits).all()
print(f"Epoch 2/2: accuracy {accuracy:.4f}")
predict.write_whole(output / "digits", digits.tobytes())
"""


@pytest.mark.slow
def test_two_workers_do_what_two_replicas_of_one_do(mnist_folder: Path, digits: Mnist, tmp_path: Path) -> None:
    model, results = tmp_path / "model", tmp_path / "results"
    out = run_workers("train", "--data-dir", mnist_folder, "--output-dir", model, "--eval")
    assert ["saved to" in text for text in out] == [True, False]
    assert not list(model.glob(".*"))
    last = [text.partition("Epoch 2/2")[2].splitlines()[0] for text in out]
    assert last[0] == last[1]
    out = run_workers("predict", "--data-dir", mnist_folder, "--model-dir", model, "--output-dir", results)
    assert ["saved to" in text for text in out] == [True, False]
    found = np.load(results / "prediction_results.npy")
    assert (found.dtype, found.shape) == (np.int64, (1000,))
    assert (found == digits.test_labels).mean() >= 0.88

    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(mnist_folder), str(tmp_path / "mirrored")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**quiet_environment(), "PYTHONPATH": str(SCRIPTS)},
    )
    assert done.returncode == 0, done.stderr
    assert last[0].split()[-1] == done.stdout.split()[-1]
    mirrored = np.frombuffer((tmp_path / "mirrored" / "digits").read_bytes(), np.int64)
    assert (mirrored == found).mean() > 0.99


@pytest.mark.slow
def test_a_worker_that_is_left_alone_says_so(mnist_folder: Path, tmp_path: Path) -> None:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    flags: list[str | Path] = ["--data-dir", mnist_folder, "--epochs", "1000", "--strategy", "multi_worker_mirrored"]
    processes = [start("train", *flags, TF_CONFIG=config) for config in configs]
    try:
        out = processes[1].stdout
        assert out is not None
        while not (line := out.readline()).startswith("Epoch 1/"):
            assert line
        processes[1].kill()
        _, err = processes[0].communicate(timeout=100)
        assert processes[0].returncode == 1
        assert "another worker has gone" in err
        assert "Traceback" not in err
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_one_mirrored_replica_and_the_older_keras(mnist_folder: Path, digits: Mnist, tmp_path: Path) -> None:
    """Keras 2, which the original platform has, writes a model that Keras can load again."""
    model = tmp_path / "model"
    flags: list[str | Path] = ["--data-dir", mnist_folder, "--strategy", "mirrored"]
    finish(start("train", *flags, "--output-dir", model, TF_USE_LEGACY_KERAS="1"))
    assert str(next(iter(read_saved_model_signature(model).inputs.values()))) == "images: float32 [?, 28, 28]"
    code = "import sys, tensorflow as tf; print(type(tf.keras.models.load_model(sys.argv[1])).__name__)"
    environment = {**quiet_environment(), "TF_USE_LEGACY_KERAS": "1"}
    command = [sys.executable, "-c", code, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True, env=environment)
    assert done.stdout.split()[-1] == "Sequential"
    finish(start("predict", *flags, "--model-dir", model, "--output-dir", tmp_path))
    assert (np.load(tmp_path / "prediction_results.npy") == digits.test_labels).mean() >= 0.88
