"""The four MNIST files in the IDX format, read and checked.

An IDX file is a big-endian header (two zero bytes, the element type, the number of dimensions, then each dimension as
uint32) and the elements. The bundled training scripts carry the functions of this module as they stand here, because
each must work as a single file; a test holds the copies equal.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_training.errors import DataError

IMAGES_MAGIC = 0x0803  # uint8, three dimensions
LABELS_MAGIC = 0x0801  # uint8, one dimension
SPLIT_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


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
