"""The sample service: pictures of handwritten digits in, the ten digits with their probabilities out.

This file is the Python half of a model package. It lies in ``model/`` beside the SavedModel and ``config.json`` and
holds exactly one subclass of ``TfServingBaseService``. For every request the runtime calls its three methods in turn:

    _preprocess(data)      what was posted            ->  {input name: array}
    _inference(inputs)     inherited: one call to the model server
    _postprocess(outputs)  {output name: nested list} ->  the answer, anything that JSON can say

Copy it and change it. The names of the model's input (``images``) and output (``scores``) and the contract in
config.json must stay in step with it.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from model_service.errors import BadRequest
from model_service.tfserving_model_service import TfServingBaseService

SIDE = 28  # the model was trained on pictures of 28 x 28 pixels,
BOX = 20  # in which the digit itself fills at most 20 x 20
LABELS = [str(digit) for digit in range(10)]

LARGEST_SIDE = 400  # larger photographs are scaled down to this first; it is quicker, and evens out noise
LEAST_CONTRAST = 25  # of 255; a picture with less shows nothing
LEAST_INK = 0.3  # of the ink's contrast; what differs less from the background belongs to it

Pixels = NDArray[np.float32]  # [height, width], from 0 to 255


class MnistService(TfServingBaseService):
    """Recognises the handwritten digit in each picture of a request."""

    # There is no __init__: nothing has to be set up. The runtime lends an instance to one request at a time, so what
    # _postprocess needs to know of the request can be kept on self.

    def _preprocess(self, data: Mapping[str, Mapping[str, io.BytesIO]]) -> dict[str, Any]:
        """Turn the pictures of a request into the model's input.

        ``data`` has an entry for every form field. A field with files is itself a dict, in the order of the request:
        the name of each file, and its content. A text field would be a str, a JSON body would be ``data`` itself.

        Returns ``{"images": float32 [N, 784]}`` for N pictures; 0 is background, 1 is ink.
        """
        files = data["images"]
        self._file_names = list(files)
        rows = [to_row(file_name, content) for file_name, content in files.items()]
        return {"images": np.stack(rows)}

    def _postprocess(self, data: Mapping[str, list[list[float]]]) -> dict[str, Any]:
        """Turn the model's output, ``{"scores": N lists of ten probabilities}``, into the answer.

        The outputs arrive as plain Python lists, not as arrays.
        """
        predictions = []
        for file_name, probabilities in zip(self._file_names, data["scores"], strict=True):
            scores = sorted(zip(LABELS, probabilities, strict=True), key=lambda score: score[1], reverse=True)
            predictions.append({"file_name": file_name, "predicted_label": scores[0][0], "scores": scores})
        return {"predictions": predictions}


def to_row(file_name: str, content: io.BytesIO) -> Pixels:
    """Turn one picture into a row of the model's input, float32 [784] from 0 to 1.

    Errors that Pillow raises about the picture are answered with status 400 by the runtime; no need to catch them.
    """
    grey = to_grey(Image.open(content))
    if np.ptp(grey) < LEAST_CONTRAST:
        # BadRequest is for what only this file can know. The caller reads its text.
        raise BadRequest(f"{file_name}: there is no digit in this picture, it is all of one colour")
    if grey.shape != (SIDE, SIDE):
        grey = normalise(grey)
    elif edge_brightness(grey) > 127:
        grey = 255 - grey  # black on white; the training data is white on black
    row: Pixels = (grey / 255).astype(np.float32).reshape(SIDE * SIDE)
    return row


def to_grey(image: Image.Image) -> Pixels:
    """Return a picture as brightness, upright and without transparency."""
    image = ImageOps.exif_transpose(image)  # cameras store "turn me by 90 degrees" beside the pixels
    if image.mode.startswith(("I", "F")):  # more than 8 bits per pixel: stretch what is there to 0..255
        values = np.asarray(image, dtype=np.float32)
        stretched: Pixels = (values - values.min()) * (255 / max(float(np.ptp(values)), 1.0))
        return stretched
    see_through = "A" in image.getbands() or "transparency" in image.info
    image = image.convert("RGBA" if see_through else "L")
    if max(image.size) > LARGEST_SIDE:
        factor = LARGEST_SIDE / max(image.size)
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BOX)
    if see_through:
        return on_background(*(np.asarray(image.convert("LA").getchannel(band), dtype=np.float32) for band in "LA"))
    return np.asarray(image, dtype=np.float32)


def on_background(grey: Pixels, alpha: Pixels) -> Pixels:
    """Give a picture with transparent parts a background: that of its edge, else one its ink stands out from."""
    opacity = alpha / np.float32(255)
    opaque_edge = edge(grey)[edge(opacity) > 0.5]
    if len(opaque_edge) > len(edge(grey)) / 2:
        background = float(np.median(opaque_edge))
    else:
        ink = (grey * opacity).sum() / max(opacity.sum(), 1)
        background = 0.0 if ink > 127 else 255.0
    flat: Pixels = grey * opacity + background * (1 - opacity)
    return flat


def edge(picture: Pixels) -> Pixels:
    """Return the outermost pixels, [2 * (height + width)]."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def edge_brightness(grey: Pixels) -> float:
    """Return the brightness of the background, which is what the edge of the picture mostly shows."""
    pixels = np.sort(edge(grey))
    return float(pixels[len(pixels) // 2])


def normalise(grey: Pixels) -> Pixels:
    """Make a photograph look like the training data: [height, width] to [28, 28].

    Those digits were made in the same way: white on black, scaled into 20 x 20, placed by their centre of mass.
    """
    digit = find_ink(grey)
    digit = digit[:, extent(digit.sum(axis=0))]
    digit = digit[extent(digit.sum(axis=1)), :]
    factor = BOX / max(digit.shape)
    height, width = (max(1, round(side * factor)) for side in digit.shape)
    # BOX averages all pixels that become one, and is smooth enough for the few pictures that must grow.
    scaled = np.asarray(Image.fromarray(digit).resize((width, height), Image.Resampling.BOX))
    scaled = scaled / scaled.max() * 255  # thin lines fade when they are scaled down

    top, left = first_index(scaled.sum(axis=1)), first_index(scaled.sum(axis=0))
    field = np.zeros((SIDE, SIDE), dtype=np.float32)
    field[top : top + height, left : left + width] = scaled
    return field


def find_ink(grey: Pixels) -> Pixels:
    """Return how much of each pixel is ink, be it darker or lighter than the background; the most is 255."""
    difference = grey - edge_brightness(grey)
    if -difference.min() > difference.max():
        difference = -difference
    ink: Pixels = np.clip(difference / difference.max() - LEAST_INK, 0, None) * np.float32(255 / (1 - LEAST_INK))
    return ink


def extent(profile: Pixels) -> slice:
    """Return from where to where a digit reaches, given the ink of each column (or row).

    Specks of dirt do not count: columns with next to no ink, and groups of columns, apart from the others, with little.
    """
    inked = np.concatenate([[False], profile > 0.03 * profile.max(), [False]])
    groups = [slice(begin, end) for begin, end in np.flatnonzero(inked[1:] != inked[:-1]).reshape(-1, 2).tolist()]
    most = max(profile[group].sum() for group in groups)
    kept = [group for group in groups if profile[group].sum() > 0.1 * most]
    return slice(kept[0].start, kept[-1].stop)


def first_index(profile: Pixels) -> int:
    """Return where a digit must begin for its centre of mass to lie in the middle of the 28 pixels."""
    centre = float((profile * np.arange(len(profile))).sum() / profile.sum())
    return min(max(round(SIDE / 2 - centre), 0), SIDE - len(profile))
