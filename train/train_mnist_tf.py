"""Train softmax regression on MNIST with TensorFlow and export a SavedModel. One file; needs TensorFlow and NumPy.

    python train_mnist_tf.py --data_url FOLDER --train_url FOLDER [--max_steps 1000]

``--data_url`` holds the four MNIST files (IDX, plain or .gz). ``--train_url`` receives:

- ``model/``: the SavedModel. Signature ``predict_images``: ``images`` float32 [N, 784], 0 is background and 1 is ink,
  to ``scores`` float32 [N, 10], the probability of each digit.
- ``test_metrics.json``: accuracy, precision, recall and f1 on the test images.
- a TensorBoard log of ``accuracy`` and ``cross_entropy``.

Each argument may also be an environment variable of its name; unknown ones, which platforms add, are ignored.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH_SIZE = 50
LEARNING_RATE = 0.01
SEED = 0

IMAGES_MAGIC = 0x0803  # uint8, three dimensions
LABELS_MAGIC = 0x0801  # uint8, one dimension
SPLIT_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class DataError(Exception):
    """An argument or a file of the data set is unusable; the message says which, and what to do."""


def find_idx_file(folder: Path, name: str) -> Path:
    """Return the path of ``name`` or ``name.gz`` in ``folder``; if there is neither, DataError lists what is there."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    wanted = ", ".join(part for files in SPLIT_FILES.values() for part in files)
    remedy = "`model-service data mnist --output FOLDER` writes a usable set."
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. It must hold {wanted} (each plain or .gz). {remedy}")
    entries = sorted(entry.name for entry in folder.iterdir())
    found = ", ".join(entries[:12]) + (f" and {len(entries) - 12} more" if len(entries) > 12 else "")
    raise DataError(
        f"{folder / name}: missing, also as .gz. Needed: {wanted}. Found in the folder: {found or 'nothing'}. {remedy}"
    )


def read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
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
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip data is damaged ({error}). Fetch the file again.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error
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
    announced = header_size + math.prod(shape)
    if len(content) != announced:
        fault = "truncated" if len(content) < announced else "trailing bytes after its content"
        raise DataError(
            f"{path}: {fault}: its header announces {' x '.join(map(str, shape))}, {announced} bytes, "
            f"but it has {len(content)}. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)


def read_split(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read the images and labels of one split, ``train`` or ``test``.

    Returns:
        images uint8 [N, 28, 28], 0 is background and 255 ink; labels uint8 [N], 0 to 9. N is at least 1.

    Raises:
        DataError: a file is absent or malformed, or the two do not belong together.
    """
    images_path, labels_path = (find_idx_file(folder, name) for name in SPLIT_FILES[split])
    images = read_idx(images_path, IMAGES_MAGIC)
    labels = read_idx(labels_path, LABELS_MAGIC)
    if images.shape[1:] != (28, 28):
        raise DataError(f"{images_path}: its images are {images.shape[1]} x {images.shape[2]}, not 28 x 28 pixels.")
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} images but {labels_path} holds {len(labels)} labels. "
            "Both must come from the same data set."
        )
    if len(images) == 0:
        raise DataError(f"{images_path}: holds no images.")
    if labels.max() > 9:
        index = int(np.argmax(labels > 9))
        raise DataError(f"{labels_path}: label number {index} is {labels[index]}; labels are 0 to 9.")
    return images, labels


def positive_int(text: str) -> int:
    """Convert the value of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def model_folder(train_url: str) -> Path:
    """Return ``<train_url>/model``; DataError if it holds something or is no local folder."""
    if "://" in train_url:
        raise DataError(f"--train_url {train_url}: only local folders can be written. Copy the result afterwards.")
    folder = Path(train_url) / "model"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder}: is not empty, and a model is never overwritten. Name another --train_url.")
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be used for output ({error.strerror}).") from error
    return folder


def measure(scores: NDArray[np.float32], labels: NDArray[np.uint8]) -> dict[str, float]:
    """Compare scores float32 [N, 10] with labels uint8 [N]; precision, recall and f1 are means over the ten digits."""
    table = np.zeros((10, 10))  # row: the true digit, column: the predicted one
    np.add.at(table, (labels, scores.argmax(axis=1)), 1)
    right, predicted, true = table.diagonal(), table.sum(axis=0), table.sum(axis=1)
    precision = right / np.maximum(predicted, 1)
    recall = right / np.maximum(true, 1)
    f1 = 2 * right / np.maximum(predicted + true, 1)
    accuracy = right.sum() / len(labels)
    values = {"f1": f1.mean(), "accuracy": accuracy, "precision": precision.mean(), "recall": recall.mean()}
    return {name: round(float(value), 6) for name, value in values.items()}


def finish(folder: Path, write_model: Callable[[str], Any], metrics: dict[str, float]) -> None:
    """Write the metrics, then the model: whole, or not at all if the run is interrupted."""
    (folder.parent / "test_metrics.json").write_text(json.dumps(metrics, indent=4) + "\n", encoding="utf-8")
    unfinished = folder.with_name(f".{folder.name}.{os.getpid()}")
    write_model(str(unfinished))
    os.replace(unfinished, folder)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments: flag, else environment variable, else default."""
    parser = argparse.ArgumentParser(description="Train softmax regression on MNIST.", allow_abbrev=False)
    for name, convert, default, summary in (
        ("max_steps", positive_int, "1000", f"training steps of {BATCH_SIZE} images each"),
        ("data_url", str, None, "folder with the four MNIST files"),
        ("train_url", str, None, "folder for the model, the metrics and the TensorBoard log"),
    ):
        parser.add_argument(f"--{name}", type=convert, default=os.environ.get(name) or default, help=summary)
    arguments, unknown = parser.parse_known_args(argv)
    for name in ("data_url", "train_url"):
        if getattr(arguments, name) is None:
            parser.error(f"--{name} is missing: name a folder, here or in the environment variable {name}")
    if unknown:
        print(f"{parser.prog}: ignoring unknown arguments: {' '.join(unknown)}", file=sys.stderr)
    return arguments


def as_inputs(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn uint8 [N, 28, 28] from 0 to 255 into the model's float32 [N, 784] from 0 to 1."""
    inputs: NDArray[np.float32] = images.reshape(len(images), 784).astype(np.float32) / np.float32(255)
    return inputs


def batches(count: int, steps: int) -> Iterator[NDArray[np.int64]]:
    """Yield ``steps`` times the indices of the next batch; the order is drawn anew when all images were used."""
    random = np.random.RandomState(SEED)
    size = min(BATCH_SIZE, count)
    order, start = random.permutation(count), 0
    for _ in range(steps):
        if start + size > count:
            order, start = random.permutation(count), 0
        yield order[start : start + size]
        start += size


def build_model(tf: Any) -> Any:
    """Return a module with ``weights`` [784, 10], ``bias`` [10] and ``predict``, the function that is exported."""
    model = tf.Module()
    model.weights = tf.Variable(tf.zeros([784, 10]), name="weights")
    model.bias = tf.Variable(tf.zeros([10]), name="bias")
    model.logits = lambda images: tf.matmul(images, model.weights) + model.bias
    model.predict = tf.function(
        lambda images: {"scores": tf.nn.softmax(model.logits(images))},
        input_signature=[tf.TensorSpec([None, 784], tf.float32, name="images")],
    )
    return model


def build_functions(tf: Any, model: Any) -> tuple[Any, Any]:
    """Return the training step and the test, both functions of images float32 [N, 784] and labels int64 [N]."""

    def cross_entropy(images: Any, labels: Any) -> Any:
        # From the logits: log(softmax) is infinite as soon as a probability underflows to 0.
        return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model.logits(images)))

    def step(images: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            loss = cross_entropy(images, labels)
        variables = [model.weights, model.bias]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(LEARNING_RATE * gradient)

    def test(images: Any, labels: Any) -> tuple[Any, Any]:
        right = tf.equal(tf.argmax(model.logits(images), axis=1), labels)
        return tf.reduce_mean(tf.cast(right, tf.float32)), cross_entropy(images, labels)

    return tf.function(step), tf.function(test)


def write_summary(tf: Any, name: str, value: Any, step: int) -> None:
    """Log a scalar for TensorBoard. ``tf.summary.scalar`` would do it, but needs the package tensorboard."""
    kind = tf.compat.v1.SummaryMetadata
    metadata = kind(plugin_data=kind.PluginData(plugin_name="scalars"), data_class=1)  # 1: DATA_CLASS_SCALAR
    tf.summary.write(name, value, step=step, metadata=metadata)


def train(arguments: argparse.Namespace) -> None:
    """Read, train, measure, export."""
    folder = model_folder(arguments.train_url)
    train_images, train_labels = read_split(Path(arguments.data_url), "train")
    test_images, test_labels = read_split(Path(arguments.data_url), "test")

    import tensorflow as tf  # here, not above: it takes seconds, and a wrong argument should be told at once

    print("Training model...")
    inputs, answers = as_inputs(train_images), train_labels.astype(np.int64)
    test_inputs, test_answers = tf.constant(as_inputs(test_images)), tf.constant(test_labels.astype(np.int64))
    model = build_model(tf)
    train_step, test = build_functions(tf, model)
    with tf.summary.create_file_writer(arguments.train_url, flush_millis=1000).as_default():
        for step, batch in enumerate(batches(len(inputs), arguments.max_steps)):
            train_step(tf.constant(inputs[batch]), tf.constant(answers[batch]))
            if step % 10 == 0:
                accuracy, cross_entropy = test(test_inputs, test_answers)
                write_summary(tf, "accuracy", accuracy, step)
                write_summary(tf, "cross_entropy", cross_entropy, step)
                print("training accuracy is:", accuracy.numpy())
            if (step + 1) % max(1, arguments.max_steps // 10) == 0:
                print(f"step {step + 1} of {arguments.max_steps}")
    print("Done training!")

    metrics = measure(model.predict(test_inputs)["scores"].numpy(), test_labels)
    print("On the test images:", ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    # A SavedModel with this one signature, so that a server need not be told its name.
    finish(folder, lambda path: tf.saved_model.save(model, path, {"predict_images": model.predict}), metrics)
    print("Done exporting!")
    print(f"The model is in {folder}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; 0: done, 2: an argument or the data is unusable."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        train(parse_arguments(argv))
    except DataError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
