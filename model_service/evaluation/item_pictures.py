"""The pictures that items were made from."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model_service.evaluation.errors import EvaluationError
from model_service.idx import read_idx

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SIDE_PIXELS = 256
# What Pillow's decoders raise for damaged files, and its refusal of pictures that would fill the memory.
_NO_PICTURE = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    ArithmeticError,
    LookupError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

Pixels = NDArray[np.uint8]  # [height, width] or [height, width, 3]
PictureOf = Callable[[int], Pixels | None]  # by the position of the item; None if it cannot be shown


def open_pictures(path: Path, items: int, sources: Sequence[str] | None) -> PictureOf:
    """Find the pictures of ``items`` items.

    Args:
        path: an IDX file, uint8 [items, height, width] or [items, height, width, 3], or a folder.
        items: their number.
        sources: their paths below the folder, or None.

    Raises:
        EvaluationError: another number of pictures, no pictures, or a folder although the items name no sources.
        IdxError: a file that is no IDX file.
    """
    if path.is_dir():
        if sources is None:
            raise EvaluationError(
                f"{path}: neither predictions nor labels name sources, so their pictures cannot be found in a folder. "
                "Give an IDX file with the pictures in order, or leave --images out."
            )
        return lambda item: _picture_in_folder(path, sources[item])
    images = read_idx(path)
    is_grey, is_colour = images.ndim == 3, images.ndim == 4 and images.shape[3] == 3
    if images.dtype != np.uint8 or not (is_grey or is_colour) or 0 in images.shape:
        raise EvaluationError(
            f"{path}: {images.dtype} {list(images.shape)} are no pictures; uint8 [N, height, width] or "
            "[N, height, width, 3] are"
        )
    if len(images) != items:
        raise EvaluationError(f"{path} holds {len(images)} pictures, but there are {items} predictions")
    return lambda item: images[item]


def _picture_in_folder(folder: Path, source: str) -> Pixels | None:
    path = _find(folder, source)
    if path is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.draft("RGB", (_SIDE_PIXELS, _SIDE_PIXELS))
                image.thumbnail((_SIDE_PIXELS, _SIDE_PIXELS))
                return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except _NO_PICTURE:
        return None


def _find(folder: Path, source: str) -> Path | None:
    """Look for the whole source below the folder, then for ever shorter ends of its path."""
    parts = [part for part in _SCHEME.sub("", source).split("/") if part not in ("", ".", "..")]
    for start in range(len(parts)):
        try:
            path = folder.joinpath(*parts[start:])
            if path.is_file():
                return path
        except (OSError, ValueError):  # a name that no file can have
            continue
    return None
