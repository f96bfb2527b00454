"""Refusing image bombs by what their header says, before any decoder of any library sees them (design D9)."""

from __future__ import annotations

import struct
from io import BytesIO

from PIL import Image

from model_service.errors import BadRequest

# Twice Pillow's own warning level, where Pillow itself refuses.
DEFAULT_MAX_PIXELS = 2 * 89_478_485

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
# Leading bytes of the formats whose header Pillow reads cheaply -> Pillow's name for the format.
_OTHER_MAGICS = (
    (_PNG_MAGIC, "PNG"),  # whose header comes late; Pillow reads it all the same
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"RIFF", "WEBP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"8BPS", "PSD"),
    *((b"P%d" % number, "PPM") for number in range(1, 7)),
    (b"\x00\x00\x00\x0cjP  ", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)


def refuse_bomb(content: bytes, name: str, max_pixels: int) -> None:
    """Refuse an image whose header announces more than ``max_pixels``.

    What is no image, or an image with a broken header, passes: the hooks decide about it.

    Raises:
        BadRequest: the image is too large; ``name`` is told to the caller.
    """
    size = _announced_size(content)
    if size is not None and size[0] * size[1] > max_pixels:
        raise BadRequest(
            f"the image {name!r} announces {size[0]} x {size[1]} pixels; at most {max_pixels} are accepted"
        )


def _announced_size(content: bytes) -> tuple[int, int] | None:
    if content.startswith(_PNG_MAGIC) and content[12:16] == b"IHDR":
        if len(content) < 24:
            return None
        width, height = struct.unpack_from(">II", content, 16)
        return int(width), int(height)
    for magic, image_format in _OTHER_MAGICS:
        if content.startswith(magic):
            return _size_by_pillow(content, image_format)
    if content[4:8] == b"ftyp":
        return _size_by_pillow(content, "AVIF")
    return None


def _size_by_pillow(content: bytes, image_format: str) -> tuple[int, int] | None:
    """Let Pillow's plugin read the header. ``Image.open`` would add its own limit, which is not ours to apply here."""
    if image_format not in Image.OPEN:
        Image.init()
    try:
        opener, _ = Image.OPEN[image_format]
        with opener(BytesIO(content), "") as image:
            width, height = image.size
            return int(width), int(height)
    except Exception:  # noqa: BLE001 - a broken header is the hooks' business
        return None
