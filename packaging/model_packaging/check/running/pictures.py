"""The pictures that are sent as files: one drawing in every mode, format and size, and files that are none."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, unique
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from model_packaging.check.running.drawings import BASE_DIGIT, draw_digit
from model_service.tfs.signature import Signature

_DEFAULT_SIDE = 64
_LARGE = (4000, 3000)
_ORIENTATION_TAG = 0x0112
_TURN_RIGHT = 6  # "turn me by 90 degrees to the right"


@unique
class PictureKind(Enum):
    """What a picture tells about a package."""

    BASE = "base"
    MODE = "mode"
    SIZE = "size"
    TURNED = "turned"
    LARGE = "large"
    BAD = "bad"


@dataclass(frozen=True)
class Picture:
    """One file to be sent.

    Attributes:
        title: for messages, such as ``RGBA PNG of 28x28``.
        values: uint8 or more, the numbers of its pixels as NumPy sees them; None: it is no picture.
    """

    title: str
    kind: PictureKind
    file_name: str
    content: bytes
    values: np.ndarray[Any, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PictureSize:
    """What a model takes: width and height in pixels, and how many colours; ``is_known`` from its signature."""

    width: int
    height: int
    channels: int
    is_known: bool


def wanted_size(signature: Signature | None) -> PictureSize:
    """Tell from a signature which pictures a model wants; 64x64 in colour if it does not say."""
    for spec in signature.inputs.values() if signature else ():
        shape = spec.shape or ()
        if len(shape) == 4 and shape[3] in (1, 3):
            height, width = shape[1] or _DEFAULT_SIDE, shape[2] or _DEFAULT_SIDE
            return PictureSize(width, height, shape[3] or 1, bool(shape[1] and shape[2]))
        if len(shape) == 3 and None not in shape[1:]:
            return PictureSize(shape[2] or 1, shape[1] or 1, 1, True)
        pixels = shape[1] if len(shape) == 2 else None
        if pixels:
            for channels in (1, 3):
                side = math.isqrt(pixels // channels)
                if side > 1 and side * side * channels == pixels:
                    return PictureSize(side, side, channels, True)
    return PictureSize(_DEFAULT_SIDE, _DEFAULT_SIDE, 3, False)


def base_picture(size: PictureSize, digit: str = BASE_DIGIT) -> Picture:
    """The picture that a model should like best: PNG of its own size, grey or RGB."""
    mode = "L" if size.channels == 1 else "RGB"
    return _made(draw_digit(digit, size.width, size.height).convert(mode), PictureKind.BASE, "PNG")


@cache
def varied_pictures(size: PictureSize) -> tuple[Picture, ...]:
    """The same drawing, differently: modes, formats, sizes; then files that hold no whole picture."""
    grey = draw_digit(BASE_DIGIT, size.width, size.height)
    base_mode = "L" if size.channels == 1 else "RGB"
    plain = grey.convert(base_mode)
    large = draw_digit(BASE_DIGIT, *_LARGE).convert(base_mode)
    return (
        *_modes(grey, base_mode),
        *_sizes(size, base_mode),
        _turned(plain),
        _made(large, PictureKind.LARGE, "PNG", compress_level=1),
        *(picture for picture in _bad(_encoded(plain, "PNG")) if not _is_decoded(picture.content)),
    )


def _is_decoded(content: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


def _modes(grey: Image.Image, base_mode: str) -> Iterator[Picture]:
    for mode in ("L", "RGB", "RGBA", "P", "1"):
        if mode != base_mode:
            image = (
                grey.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else grey.convert(mode)
            )
            yield _made(image, PictureKind.MODE, "PNG")
    deep = np.asarray(grey, dtype=np.uint16) * 257
    yield _made(Image.fromarray(deep), PictureKind.MODE, "PNG", title="16-bit grey")
    yield _made(grey.convert("RGB").convert("CMYK"), PictureKind.MODE, "JPEG", quality=95)
    yield _made(grey.convert(base_mode), PictureKind.MODE, "JPEG", quality=95)
    yield _made(grey.convert(base_mode), PictureKind.MODE, "GIF", save_all=True, append_images=[grey, grey])
    if "WEBP" in Image.registered_extensions().values():
        yield _made(grey.convert("RGB"), PictureKind.MODE, "WEBP", lossless=True)


def _sizes(size: PictureSize, base_mode: str) -> Iterator[Picture]:
    for width, height in ((2 * size.width, 2 * size.height), (3 * size.width, 2 * size.height), (1, 1)):
        yield _made(draw_digit(BASE_DIGIT, width, height).convert(base_mode), PictureKind.SIZE, "PNG")


def _turned(image: Image.Image) -> Picture:
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _TURN_RIGHT
    lying = image.transpose(Image.Transpose.ROTATE_90)
    title = f"JPEG of {image.width}x{image.height} that says in its EXIF data that it lies on its side"
    return _made(lying, PictureKind.TURNED, "JPEG", title=title, quality=95, exif=exif.tobytes())


def _bad(whole: bytes) -> Iterator[Picture]:
    yield Picture("cut-off PNG", PictureKind.BAD, "cut-off.png", whole[: len(whole) * 2 // 3])
    damaged = bytearray(whole)
    damaged[len(whole) // 2 : len(whole) // 2 + 16] = bytes(16)
    yield Picture("damaged PNG", PictureKind.BAD, "damaged.png", bytes(damaged))
    yield Picture("text file", PictureKind.BAD, "text.png", b"this is no picture\n")
    yield Picture("empty file", PictureKind.BAD, "empty.png", b"")


def _encoded(image: Image.Image, image_format: str, **how: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **how)
    return buffer.getvalue()


def _made(image: Image.Image, kind: PictureKind, image_format: str, title: str = "", **how: Any) -> Picture:
    names = {"L": "grey", "P": "palette", "1": "1-bit"} if image_format == "PNG" else {"L": "grey"}
    if not title or kind is not PictureKind.TURNED:
        title = f"{title or names.get(image.mode, image.mode)} {image_format} of {image.width}x{image.height}"
    content = _encoded(image, image_format, **how)
    with Image.open(io.BytesIO(content)) as seen:
        values = np.asarray(seen) if kind is not PictureKind.LARGE else None
    return Picture(title, kind, f"{title.split(' of ')[0].replace(' ', '-')}.{image_format.lower()}", content, values)
