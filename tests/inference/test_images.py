"""Image bombs are refused by their header, before any decoder sees them; everything else passes."""

from __future__ import annotations

import random
import struct
import zlib
from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from model_service.errors import BadRequest
from model_service.inference.images import DEFAULT_MAX_PIXELS, refuse_bomb

SIZE = (64, 48)
PIXELS = 64 * 48
FORMATS = ["BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP", "AVIF"]


def picture(image_format: str, **options: object) -> bytes:
    content = BytesIO()
    Image.new("RGB", SIZE).save(content, image_format, **options)
    return content.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


@pytest.mark.parametrize("image_format", FORMATS)
def test_formats_that_decoders_read(image_format: str) -> None:
    content = picture(image_format)
    refuse_bomb(content, "x", PIXELS)
    with pytest.raises(BadRequest) as caught:
        refuse_bomb(content, "holiday.img", PIXELS - 1)
    assert caught.value.status == 400
    assert str(caught.value) == (f"the image 'holiday.img' announces 64 x 48 pixels; at most {PIXELS - 1} are accepted")


def test_a_large_tiff_of_the_64_bit_kind() -> None:
    with pytest.raises(BadRequest):
        refuse_bomb(picture("TIFF", big_tiff=True), "x", PIXELS - 1)


def test_a_tiny_file_that_announces_a_huge_picture() -> None:
    with pytest.raises(BadRequest, match="announces 65535 x 65535 pixels"):
        refuse_bomb(png_header(65535, 65535), "bomb.png", DEFAULT_MAX_PIXELS)
    bmp = bytearray(picture("BMP"))
    bmp[18:26] = struct.pack("<ii", 60000, 60000)
    with pytest.raises(BadRequest, match="announces 60000 x 60000 pixels"):
        refuse_bomb(bytes(bmp), "bomb.bmp", DEFAULT_MAX_PIXELS)


def test_a_png_whose_header_does_not_come_first() -> None:
    """Pillow reads it all the same."""
    plain = picture("PNG")
    late = plain[:8] + chunk(b"tEXt", b"\0\0\0\1\0\0\0\1a\0b") + plain[8:]
    assert Image.open(BytesIO(late)).size == SIZE
    with pytest.raises(BadRequest):
        refuse_bomb(late, "x", PIXELS - 1)


def test_our_limit_counts_not_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own limit may be lower; then it speaks in the hook, not here."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for image_format in FORMATS:
        refuse_bomb(picture(image_format), "x", PIXELS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no image",
        b'{"json": true}',
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"BM",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"II*\x00",
        b"8BPS",
        b"P6\n",
        bytes(1000),
        picture("PNG")[:20],
        picture("JPEG")[:30],
        picture("TIFF")[:12],
        picture("WEBP")[:20],
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_image_or_broken_passes(content: bytes) -> None:
    refuse_bomb(content, "x", 1)


@pytest.mark.parametrize("image_format", FORMATS)
def test_random_damage_is_refused_or_passes(image_format: str) -> None:
    chance = random.Random(image_format)
    plain = picture(image_format)
    for _ in range(60):
        damaged = bytearray(plain[: chance.randrange(4, len(plain))])
        for _ in range(3):
            damaged[chance.randrange(4, max(5, min(len(damaged), 60))) % len(damaged)] = chance.randrange(256)
        with suppress(BadRequest):
            refuse_bomb(bytes(damaged), "x", PIXELS)
