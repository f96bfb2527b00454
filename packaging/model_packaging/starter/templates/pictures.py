"""Turns an uploaded picture, of whatever kind, into the numbers that a model takes."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model_service.errors import BadRequest


def open_upright(content: io.BytesIO) -> Image.Image:
    """Open an upload as a picture with 8 bits per channel, RGB or grey, upright and without transparency.

    What Pillow raises about a broken file is answered with status 400 by the runtime; no need to catch it.
    """
    picture: Image.Image = ImageOps.exif_transpose(Image.open(content))  # cameras store "turn me" beside the pixels
    if picture.mode.startswith(("I", "F")):  # more than 8 bits: 65535 becomes 255
        values = np.nan_to_num(np.asarray(picture, dtype=np.float32))
        full = 65535.0 if picture.mode.startswith("I") else max(float(values.max()), 1.0)
        return Image.fromarray(np.clip(values / full * 255, 0, 255).round().astype(np.uint8))
    try:
        if "A" in picture.getbands() or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            white = Image.new("RGBA", picture.size, "white")
            return Image.alpha_composite(white, picture).convert("RGB")
        return picture if picture.mode in ("RGB", "L") else picture.convert("RGB")
    except ValueError as error:
        raise BadRequest(f"pictures of mode {picture.mode} are not taken; send a JPEG or PNG file") from error


def to_array(picture: Image.Image, height: int, width: int, channels: int) -> NDArray[np.float32]:
    """Scale a picture to the size that the model takes.

    Returns float32 [height, width, channels], values from 0 to 255. Three channels are red, green, blue; four have
    an opaque alpha channel; one is brightness.
    """
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    scaled = picture.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(scaled, dtype=np.float32).reshape(height, width, channels)
