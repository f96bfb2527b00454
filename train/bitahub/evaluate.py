"""Compare predicted digits with the labels of the MNIST test images. One file; needs NumPy only.

    python evaluate.py --label-dir FOLDER --predictions prediction_results.npy --output-dir FOLDER

``--label-dir`` holds ``t10k-labels-idx1-ubyte`` (plain or .gz). ``--predictions`` is what predict.py wrote: a digit for
each label, in the same order. ``--output-dir`` receives ``evaluation_result.json``: ``{"accuracy": 0.903}``.

Written for Python 3.6 and later.
"""

import argparse
import functools
import gzip
import json
import operator
import os
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

RESULT_NAME = "evaluation_result.json"

TEST_LABELS = "t10k-labels-idx1-ubyte"
IMAGES_MAGIC = 0x0803  # uint8, three dimensions
LABELS_MAGIC = 0x0801  # uint8, one dimension


class DataError(Exception):
    """An argument or a file is unusable; the message says which, and what to do."""


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


def read_labels(path: Path) -> "NDArray[np.uint8]":
    """Read labels uint8 [N], 0 to 9, N at least 1; DataError if they are not that."""
    labels = read_idx(path, LABELS_MAGIC)
    if len(labels) == 0:
        raise DataError(f"{path}: holds no labels.")
    if labels.max() > 9:
        index = int(np.argmax(labels > 9))
        raise DataError(f"{path}: label number {index} is {labels[index]}; labels are 0 to 9.")
    return labels


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


def read_predictions(path: Path) -> "NDArray[Any]":
    """Read numbers from a .npy file, as one dimension.

    Raises:
        DataError: there is no such file, or it holds something else.
    """
    try:
        with path.open("rb") as file:
            values = np.load(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file. predict.py writes it to its --output-dir.") from error
    except (EOFError, MemoryError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is no .npy file of numbers ({error}).") from error
    if not isinstance(values, np.ndarray):
        raise DataError(f"{path}: is an archive of arrays (.npz); a .npy file with one array is wanted.")
    if values.dtype.kind not in "iuf":
        raise DataError(f"{path}: holds elements of type {values.dtype}; numbers are wanted.")
    return values.ravel()


def evaluate(arguments: argparse.Namespace) -> None:
    """Read, compare, write."""
    labels_path = find_idx_file(Path(arguments.label_dir), TEST_LABELS)
    labels = read_labels(labels_path)
    print(f"Labels are loaded from {labels_path}")
    predictions = read_predictions(Path(arguments.predictions))
    print(f"Predictions are loaded from {arguments.predictions}")
    if len(predictions) != len(labels):
        raise DataError(
            f"{arguments.predictions} holds {len(predictions)} predictions but {labels_path} holds {len(labels)} "
            "labels. Both must come from the same data set, with one digit for each image."
        )
    result_path = make_folder(Path(arguments.output_dir)) / RESULT_NAME
    accuracy = float((predictions == labels).mean())
    print(f"Accuracy is {accuracy}")
    write_whole(result_path, json.dumps({"accuracy": accuracy}).encode())
    print(f"The evaluation result is saved to {result_path}")


def parse_arguments(argv: "Sequence[str] | None") -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description="Compare predicted digits with their labels.", allow_abbrev=False)
    parser.add_argument("--label-dir", required=True, help=f"folder with {TEST_LABELS}, plain or .gz")
    parser.add_argument("--predictions", required=True, help="the .npy file with the predicted digits")
    parser.add_argument("--output-dir", required=True, help=f"folder for {RESULT_NAME}; made if absent")
    return parser.parse_args(argv)


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run the script; 0: done, 2: an argument or a file is unusable."""
    try:
        evaluate(parse_arguments(argv))
    except DataError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
