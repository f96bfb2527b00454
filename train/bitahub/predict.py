"""Predict the digits of the MNIST test images with a SavedModel. One file; needs TensorFlow 2 and NumPy.

    python predict.py --model-dir FOLDER --data-dir FOLDER --output-dir FOLDER [--strategy off] [--direct]

``--model-dir`` is the folder with ``saved_model.pb``, as train.py writes it: one signature (or ``serving_default``)
with one input, float [N, 28, 28] or [N, 784], and one output, a score for each digit. ``--data-dir`` holds
``t10k-images-idx3-ubyte`` (plain or .gz); other files are not opened. Without it Keras downloads MNIST.
``--output-dir`` receives ``prediction_results.npy``: int64 [N], in the order of the images. Without it none is written.

Where the package tf-model-service is installed, the images go in batches over gRPC to a model server that is started
for the purpose. Without it, with ``--direct`` or with a strategy, TensorFlow runs in this process. Both predict the
same digits. ``--strategy mirrored`` shares the images among all GPUs of this machine, ``multi_worker_mirrored`` among
several machines: start the same command on each, with ``TF_CONFIG`` set, or as a Volcano job; the chief writes.

Written for Python 3.6 and TensorFlow 2.3, Keras 2 or 3, and later ones.
"""

import argparse
import functools
import gzip
import io
import json
import operator
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

STRATEGIES = ("off", "mirrored", "multi_worker_mirrored")
WORKER_PORT = 20000  # of a Volcano job
BATCH_SIZE = 500  # images in a call, for each replica
SERVER_SECONDS = 60.0  # to describe the model
RESULT_NAME = "prediction_results.npy"

TEST_IMAGES = "t10k-images-idx3-ubyte"
IMAGES_MAGIC = 0x0803  # uint8, three dimensions
LABELS_MAGIC = 0x0801  # uint8, one dimension


class DataError(Exception):
    """An argument or a file is unusable; the message says which, and what to do."""


class WorkerLost(Exception):
    """Another worker of the cluster has gone."""


def find_idx_file(folder: Path, name: str) -> Path:
    """Return the path of ``name`` or ``name.gz`` in ``folder``; if there is neither, DataError lists what is there."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    remedy = "`model-service data mnist --output FOLDER` writes a usable set."
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. It must hold {name} (plain or .gz). {remedy}")
    entries = sorted(entry.name for entry in folder.iterdir())
    found = ", ".join(entries[:12]) + (f" and {len(entries) - 12} more" if len(entries) > 12 else "")
    raise DataError(f"{folder / name}: missing, also as .gz. Found in the folder: {found or 'nothing'}. {remedy}")


def read_idx(path: Path, magic: int) -> "NDArray[np.uint8]":
    """Read one IDX file; gzip is recognised by content, not by name.

    Args:
        path: the file.
        magic: its first four bytes as a number; the lowest byte is the number of dimensions.

    Returns:
        uint8 [N, rows, columns] for images, [N] for labels; read-only.

    Raises:
        DataError: unreadable, damaged gzip data, another magic number, too short, or too long.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
    try:
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged ({error}). Fetch the file again.") from error
    found_magic = int.from_bytes(content[:4], "big")
    if len(content) >= 4 and found_magic != magic:
        kinds = {IMAGES_MAGIC: "an image file", LABELS_MAGIC: "a label file"}
        raise DataError(
            f"{path}: bad magic number {found_magic} ({kinds.get(found_magic, 'no MNIST file')}); "
            f"{kinds[magic]} begins with {magic}. Check that the files were not swapped or renamed."
        )
    dimensions = magic & 0xFF
    header_size = 4 + 4 * dimensions
    if len(content) < header_size:
        raise DataError(
            f"{path}: truncated: {len(content)} bytes, not even the {header_size} bytes of its header. Fetch it again."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:header_size])
    announced = header_size + functools.reduce(operator.mul, shape)
    if len(content) != announced:
        fault = "truncated" if len(content) < announced else "trailing bytes after its content"
        raise DataError(
            f"{path}: {fault}: its header announces {' x '.join(map(str, shape))}, {announced} bytes, "
            f"but it has {len(content)}. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)


def read_images(path: Path) -> "NDArray[np.uint8]":
    """Read images uint8 [N, 28, 28], 0 background and 255 ink, N at least 1; DataError if they are not that."""
    images = read_idx(path, IMAGES_MAGIC)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{path}: its images are {images.shape[1]} x {images.shape[2]}, not 28 x 28 pixels.")
    if len(images) == 0:
        raise DataError(f"{path}: holds no images.")
    return images


def as_inputs(images: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Turn uint8 from 0 to 255 into float32 of the same shape from 0 to 1."""
    inputs: NDArray[np.float32] = images.astype(np.float32) / np.float32(255)
    return inputs


def make_folder(folder: Path) -> Path:
    """Make a folder for output unless it is there; DataError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be used for output ({error.strerror}). Name another folder.") from error
    return folder


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; DataError if that fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(str(temporary), str(path))
    except OSError as error:
        if temporary.exists():
            temporary.unlink()
        raise DataError(f"{path}: cannot be written ({error.strerror}).") from error


def join_cluster() -> bool:
    """Make sure that ``TF_CONFIG`` tells this worker the addresses of all; return whether it is the chief.

    ``TF_CONFIG`` is used if it is set, else made from the variables of a Volcano job. It must be there before the
    strategy is made: a strategy that does not find it takes itself for the only worker.

    Raises:
        DataError: neither is there, or it makes no sense.
    """
    if not os.environ.get("TF_CONFIG"):
        os.environ["TF_CONFIG"] = json.dumps(volcano_cluster())
    text = os.environ["TF_CONFIG"]
    try:
        config = json.loads(text)
        cluster, kind, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
        is_member = 0 <= index < len(cluster[kind])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"the environment variable TF_CONFIG is {text!r}; wanted is JSON like "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.'
        ) from error
    if not is_member:
        raise DataError(f"the environment variable TF_CONFIG says this is {kind} {index}, but lists {cluster[kind]}.")
    print(f"This is {kind} {index} of {json.dumps(cluster)}", flush=True)
    return kind == "chief" or (kind == "worker" and index == 0 and "chief" not in cluster)


def volcano_cluster() -> "dict[str, Any]":
    """Return the content of ``TF_CONFIG`` for a Volcano job, whose workers all listen on the same port."""
    index = os.environ.get("VK_TASK_INDEX") or os.environ.get("VC_TASK_INDEX") or ""
    role = os.environ.get("VC_TASK_NAME", "").upper().replace("-", "_")
    names = ([f"VC_{role}_HOSTS"] if role else []) + ["VC_WORKER_HOSTS", "VC_TASK_HOSTS"]
    hosts = next((os.environ[name] for name in names if os.environ.get(name)), "")
    if not index.isdigit() or not hosts:
        raise DataError(
            "--strategy multi_worker_mirrored: this worker cannot tell who the others are. Set TF_CONFIG; or "
            f"VK_TASK_INDEX (or VC_TASK_INDEX) to its number and {names[0]} to the list of all hosts."
        )
    workers = [f"{host.strip()}:{WORKER_PORT}" for host in hosts.split(",") if host.strip()]
    return {"cluster": {"worker": workers}, "task": {"type": "worker", "index": int(index)}}


def make_strategy(tf: "Any", name: str) -> "Any":
    """Return the tf.distribute strategy of a ``--strategy``; ``off`` is TensorFlow's default one, with one replica."""
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multi_worker_mirrored":
        make = getattr(tf.distribute, "MultiWorkerMirroredStrategy", None)
        return (make or tf.distribute.experimental.MultiWorkerMirroredStrategy)()  # its place before TensorFlow 2.4
    return tf.distribute.get_strategy()


def import_tensorflow() -> "Any":
    """Import TensorFlow and print what there is; it takes seconds, so wrong arguments are told before."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # another could be configured, and has no strategies
    try:
        import tensorflow as tf
    except ImportError as error:
        raise DataError(f"TensorFlow cannot be imported here: {error}") from error
    print(f"TensorFlow {tf.__version__}, GPUs: {len(tf.config.list_physical_devices('GPU'))}", flush=True)
    return tf


def download(tf: "Any") -> "Any":
    """Let Keras download MNIST; return ((train images, labels), (test images, labels)), all uint8."""
    print("No --data-dir: data is downloaded by Keras", flush=True)
    try:
        return tf.keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises the bare class when the download fails
        raise DataError(f"Keras could not download MNIST ({error}). Name a folder with --data-dir.") from error


def model_folder(folder: Path) -> Path:
    """Return the folder of a SavedModel; DataError if there is none in it."""
    if (folder / "saved_model.pb").is_file():
        return folder
    below = sorted(path.parent for path in folder.glob("*/saved_model.pb"))
    hint = f"There is one in {below[0]}." if below else "Name the --output-dir of train.py."
    raise DataError(f"{folder}: holds no saved_model.pb. {hint}")


def fit_shape(inputs: "NDArray[np.float32]", shape: "Sequence[int | None] | None") -> "NDArray[np.float32]":
    """Turn float32 [N, 28, 28] into what a model takes; ``None`` is an unknown dimension or rank."""
    if shape is None or None in shape[1:]:
        return inputs
    known = [size for size in shape[1:] if size is not None]
    if functools.reduce(operator.mul, known, 1) != 28 * 28:
        raise DataError(f"the model takes an input of shape {list(shape)}, not digits of 28 x 28 pixels.")
    return inputs.reshape([-1, *known])


def only(tensors: "Mapping[str, Any]", kind: str) -> str:
    """Return the key of the only input or output of a model."""
    if len(tensors) != 1:
        raise DataError(f"the model has {len(tensors)} {kind}s ({', '.join(sorted(tensors))}); wanted is one.")
    return next(iter(tensors))


def as_digits(scores: "NDArray[Any]") -> "NDArray[np.int64]":
    """Return the digit with the highest score, int64 [N]; logits and probabilities float [N, 10] give the same."""
    if scores.ndim != 2:
        raise DataError(
            f"the model answers with shape {list(scores.shape)}; wanted is a score for each digit, [N, 10]."
        )
    digits: NDArray[np.int64] = scores.argmax(axis=1).astype(np.int64)
    return digits


def predict_served(model: Path, inputs: "NDArray[np.float32]") -> "NDArray[np.int64] | None":
    """Predict float32 [N, 28, 28] over gRPC on a model server of our own; None if tf-model-service is not installed."""
    try:
        import grpc

        from model_service.backend.local import local_model_server
        from model_service.errors import ModelServiceError
    except ImportError:
        return None
    print(f"Predicting over gRPC, {BATCH_SIZE} images in a call", flush=True)
    try:
        with local_model_server(model) as client:
            signature = client.read_signature(SERVER_SECONDS)
            key = only(signature.inputs, "input")
            only(signature.outputs, "output")
            fitting = fit_shape(inputs, signature.inputs[key].shape)
            calls = ({key: fitting[first : first + BATCH_SIZE]} for first in range(0, len(fitting), BATCH_SIZE))
            answers = client.predict_many(calls, signature)
            return np.concatenate([as_digits(next(iter(answer.values()))) for answer in answers])
    except (ModelServiceError, grpc.RpcError) as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise DataError(f"{error}{cause}\n(--direct predicts without a model server.)") from error


def load_function(tf: "Any", model: Path) -> "Any":
    """Load a SavedModel and return its only signature, or ``serving_default``."""
    try:
        loaded = tf.saved_model.load(str(model))
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        raise DataError(f"{model}: cannot be loaded ({error}).") from error
    signatures = dict(loaded.signatures)
    name = next(iter(signatures)) if len(signatures) == 1 else "serving_default"
    if name not in signatures:
        raise DataError(f"{model}: its signatures are {sorted(signatures)}; wanted is one, or serving_default.")
    function = signatures[name]
    function.of_model = loaded  # it is not kept alive by its signatures
    return function


def predict_here(tf: "Any", strategy: "Any", model: Path, inputs: "NDArray[np.float32]") -> "NDArray[np.int64]":
    """Predict float32 [N, 28, 28] in this process, shared among the replicas; int64 [N] on every worker."""
    with strategy.scope():
        function = load_function(tf, model)
    specs = function.structured_input_signature[1]
    key = only(specs, "input")
    only(function.structured_outputs, "output")
    spec = specs[key]
    fitting = fit_shape(inputs, spec.shape.as_list() if spec.shape.rank is not None else None)
    size = BATCH_SIZE * strategy.num_replicas_in_sync

    def replica_step(images: "Any") -> "Any":
        first = tf.distribute.get_replica_context().replica_id_in_sync_group * BATCH_SIZE
        scores = function(**{key: tf.cast(images[first : first + BATCH_SIZE], spec.dtype)})
        digits = tf.argmax(next(iter(scores.values())), axis=1)
        return tf.scatter_nd(tf.range(first, first + BATCH_SIZE)[:, tf.newaxis], digits, [size])

    def step(images: "Any") -> "Any":  # the sum: every replica has zeros where the others have digits
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(replica_step, args=(images,)), axis=None)

    step = tf.function(step)
    digits = []
    for first in range(0, len(fitting), size):
        block = fitting[first : first + size]
        whole = np.zeros((size, *fitting.shape[1:]), np.float32)
        whole[: len(block)] = block
        digits.append(step(tf.constant(whole)).numpy()[: len(block)])
    return np.concatenate(digits)


def run(arguments: argparse.Namespace) -> None:
    """Read, predict, write."""
    model = model_folder(Path(arguments.model_dir))
    folder = None if arguments.output_dir is None else make_folder(Path(arguments.output_dir))
    images = tf = None
    if arguments.data_dir is not None:
        images_path = find_idx_file(Path(arguments.data_dir), TEST_IMAGES)
        images = read_images(images_path)
        print(f"Data is loaded from {images_path}", flush=True)
    is_chief = join_cluster() if arguments.strategy == "multi_worker_mirrored" else True
    if images is None:
        tf = import_tensorflow()
        images = download(tf)[1][0]
    digits = None
    if arguments.strategy == "off" and not arguments.direct:
        digits = predict_served(model, as_inputs(images))
    if digits is None:
        tf = tf or import_tensorflow()
        try:
            digits = predict_here(tf, make_strategy(tf, arguments.strategy), model, as_inputs(images))
        except tf.errors.UnavailableError as error:
            raise WorkerLost(f"another worker has gone: {error.message}. Start all of them again.") from error
    if folder is not None and is_chief:
        content = io.BytesIO()
        np.save(content, digits, allow_pickle=False)
        write_whole(folder / RESULT_NAME, content.getvalue())
        print(f"The predictions are saved to {folder / RESULT_NAME}")


def parse_arguments(argv: "Sequence[str] | None") -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description="Predict the digits of the MNIST test images.", allow_abbrev=False)
    parser.add_argument("--model-dir", required=True, help="folder with saved_model.pb")
    parser.add_argument("--data-dir", help=f"folder with {TEST_IMAGES}, plain or .gz; without it Keras downloads it")
    parser.add_argument("--output-dir", help=f"folder for {RESULT_NAME}; made if absent; without it nothing is saved")
    parser.add_argument("--strategy", choices=STRATEGIES, default="off", help="of tf.distribute (default: off)")
    parser.add_argument("--direct", action="store_true", help="predict in this process, without a model server")
    return parser.parse_args(argv)


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run the script; 0: done, 1: another worker was lost, 2: an argument or a file is unusable."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        run(parse_arguments(argv))
    except DataError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    except WorkerLost as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
