"""Train a small dense network on MNIST and export a SavedModel. One file; needs TensorFlow 2 and NumPy.

    python train.py --data-dir FOLDER --output-dir FOLDER [--epochs 2] [--eval] [--strategy off]

``--data-dir`` holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte`` (plain or .gz), for ``--eval`` also the
two ``t10k`` files; other files are not opened. Without it Keras downloads MNIST. ``--output-dir`` receives the
SavedModel. Signature ``serving_default``: ``images`` float32 [N, 28, 28], 0 is background and 1 is ink, to ``logits``
float32 [N, 10]. Without it nothing is saved.

``--strategy mirrored`` uses all GPUs of this machine, ``multi_worker_mirrored`` several machines: start the same
command on each, with ``TF_CONFIG`` set, or as a Volcano job. The batch is 64 images for each replica.

Written for Python 3.6 and TensorFlow 2.3, Keras 2 or 3, and later ones.
"""

import argparse
import functools
import gzip
import json
import operator
import os
import random
import shutil
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

STRATEGIES = ("off", "mirrored", "multi_worker_mirrored")
WORKER_PORT = 20000  # of a Volcano job
BATCH_SIZE = 64  # images in a step, for each replica
STEPS_PER_EPOCH = 70
SEED = 0

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
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


def read_labels(path: Path) -> "NDArray[np.uint8]":
    """Read labels uint8 [N], 0 to 9, N at least 1; DataError if they are not that."""
    labels = read_idx(path, LABELS_MAGIC)
    if len(labels) == 0:
        raise DataError(f"{path}: holds no labels.")
    if labels.max() > 9:
        index = int(np.argmax(labels > 9))
        raise DataError(f"{path}: label number {index} is {labels[index]}; labels are 0 to 9.")
    return labels


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
    """Make the folder for the model; DataError if there is one in it already or it cannot be used."""
    make_folder(folder)
    for name in ("saved_model.pb", "variables"):
        if (folder / name).exists():
            raise DataError(f"{folder / name}: is there already, and a model is never overwritten. Remove it first.")
    return folder


def batches(count: int, size: int) -> "Iterator[NDArray[np.int64]]":
    """Yield the indices of ``size`` images for ever; each image is taken once before any is taken again."""
    order = np.random.RandomState(SEED)
    waiting = order.permutation(count)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, order.permutation(count)])
        yield waiting[:size]
        waiting = waiting[size:]


def build_model(tf: "Any") -> "Any":
    """Return the network: float32 [N, 28, 28] to logits float32 [N, 10]."""
    return tf.keras.Sequential(
        [
            tf.keras.Input((28, 28), name="images"),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(128, activation="relu"),
            tf.keras.layers.Dropout(0.2),
            tf.keras.layers.Dense(10, name="logits"),
        ]
    )


def build_step(tf: "Any", strategy: "Any", model: "Any") -> "Any":
    """Return the training step of all replicas.

    It takes images float32 [64 x replicas, 28, 28] and labels int64 [64 x replicas], the same on every worker, and
    returns the mean loss and the share of right answers.
    """
    size = BATCH_SIZE * strategy.num_replicas_in_sync
    with strategy.scope():
        optimizer = tf.keras.optimizers.Adam()
        if hasattr(optimizer, "build"):  # later Keras wants its variables made outside of the step
            optimizer.build(model.trainable_variables)

    def replica_step(images: "Any", labels: "Any") -> "Any":
        first = tf.distribute.get_replica_context().replica_id_in_sync_group * BATCH_SIZE
        images, labels = images[first : first + BATCH_SIZE], labels[first : first + BATCH_SIZE]
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / size  # the optimizer adds the replicas' gradients up
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        right = tf.cast(tf.equal(tf.argmax(logits, axis=1), labels), tf.float32)
        return loss, tf.reduce_sum(right) / size

    def step(images: "Any", labels: "Any") -> "Any":
        loss, right = strategy.run(replica_step, args=(images, labels))
        add = tf.distribute.ReduceOp.SUM
        return strategy.reduce(add, loss, axis=None), strategy.reduce(add, right, axis=None)

    return tf.function(step)


def fit(
    tf: "Any", strategy: "Any", images: "NDArray[np.uint8]", labels: "NDArray[np.uint8]", epochs: int
) -> "tuple[Any, float]":
    """Train a new network on images uint8 [N, 28, 28] and labels uint8 [N].

    A loop of our own and not Keras' fit, which cannot run on several workers in Keras 3.

    Returns:
        The model, and the share of right answers in the last epoch.
    """
    random.seed(SEED)
    np.random.seed(SEED)
    tf.random.set_seed(SEED)
    with strategy.scope():
        model = build_model(tf)
    step = build_step(tf, strategy, model)
    inputs, answers = as_inputs(images), labels.astype(np.int64)
    chosen = batches(len(images), BATCH_SIZE * strategy.num_replicas_in_sync)
    accuracy = 0.0
    for epoch in range(epochs):
        sums = np.zeros(2)
        for _ in range(STEPS_PER_EPOCH):
            batch = next(chosen)
            sums += [float(value) for value in step(tf.constant(inputs[batch]), tf.constant(answers[batch]))]
        loss, accuracy = (sums / STEPS_PER_EPOCH).tolist()
        print(f"Epoch {epoch + 1}/{epochs}: loss {loss:.4f}, accuracy {accuracy:.4f}", flush=True)
    return model, accuracy


def write_model(tf: "Any", model: "Any", path: str) -> None:
    """Write the SavedModel; loaded again, it can be called with images, and through its signature."""
    if isinstance(model.variables[0], tf.Variable):  # Keras 2, whose SavedModels Keras loads as models again
        model.save(path, save_format="tf")
        return
    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    images = tf.TensorSpec([None, 28, 28], tf.float32, name="images")
    module.__call__ = tf.function(lambda images: model(images, training=False), input_signature=[images])
    signature = tf.function(lambda images: {"logits": model(images, training=False)}, input_signature=[images])
    tf.saved_model.save(module, path, {"serving_default": signature})


def save(tf: "Any", model: "Any", folder: Path, is_chief: bool) -> None:
    """Write the model to a folder; of several workers every one must write, but only the chief's counts."""
    unfinished = tempfile.mkdtemp(prefix=".unfinished-", dir=str(folder) if is_chief else None)
    try:
        write_model(tf, model, unfinished)
        if is_chief:
            # Moved in here and not renamed as a whole: the folder may be a mount. saved_model.pb comes last, so that
            # there is a whole model or none.
            for name in sorted(os.listdir(unfinished), key=lambda name: (name == "saved_model.pb", name)):
                os.replace(os.path.join(unfinished, name), str(folder / name))
            print(f"The model is saved to {folder}")
    except OSError as error:
        raise DataError(f"{folder}: the model cannot be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read_split(folder: Path, images_name: str, labels_name: str) -> "tuple[NDArray[np.uint8], NDArray[np.uint8]]":
    """Read images uint8 [N, 28, 28] and their labels uint8 [N]; DataError if they are absent or not that."""
    images_path, labels_path = find_idx_file(folder, images_name), find_idx_file(folder, labels_name)
    images, labels = read_images(images_path), read_labels(labels_path)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} images but {labels_path} holds {len(labels)} labels. "
            "Both must come from the same data set."
        )
    print(f"Data is loaded from {images_path} and {labels_path}")
    return images, labels


def run(arguments: argparse.Namespace) -> None:
    """Read, train, measure, save."""
    folder = None if arguments.output_dir is None else model_folder(Path(arguments.output_dir))
    train_split = test_split = None
    if arguments.data_dir is not None:
        train_split = read_split(Path(arguments.data_dir), TRAIN_IMAGES, TRAIN_LABELS)
        if arguments.eval:
            test_split = read_split(Path(arguments.data_dir), TEST_IMAGES, TEST_LABELS)
    is_chief = join_cluster() if arguments.strategy == "multi_worker_mirrored" else True
    tf = import_tensorflow()
    if train_split is None:
        train_split, test_split = download(tf)
    try:
        strategy = make_strategy(tf, arguments.strategy)
        model, _ = fit(tf, strategy, train_split[0], train_split[1], arguments.epochs)
        if arguments.eval and test_split is not None:
            digits = np.argmax(model(tf.constant(as_inputs(test_split[0])), training=False), axis=1)
            print(f"Accuracy on the test images is {float((digits == test_split[1]).mean())}")
        if folder is not None:
            save(tf, model, folder, is_chief)
    except tf.errors.UnavailableError as error:
        raise WorkerLost(f"another worker has gone: {error.message}. Start all of them again.") from error


def positive_int(text: str) -> int:
    """Convert the value of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def parse_arguments(argv: "Sequence[str] | None") -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description="Train a small dense network on MNIST.", allow_abbrev=False)
    parser.add_argument("--data-dir", help="folder with the MNIST files; without it Keras downloads them")
    parser.add_argument("--output-dir", help="folder for the SavedModel; made if absent; without it nothing is saved")
    parser.add_argument("--epochs", type=positive_int, default=2, help=f"of {STEPS_PER_EPOCH} steps each (default: 2)")
    parser.add_argument("--eval", action="store_true", help="tell the accuracy on the test images at the end")
    parser.add_argument("--strategy", choices=STRATEGIES, default="off", help="of tf.distribute (default: off)")
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
