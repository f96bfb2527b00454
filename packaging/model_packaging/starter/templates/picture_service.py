"""Pictures in, the outputs of the model as they are out.

A first service for a model of pictures, written by ``model-service package build``. It works as it is; change it until
the answer says what your callers want to know, and keep the contract in config.json in step.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from pictures import open_upright, to_array  # pictures.py lies beside this file

from model_service.errors import BadRequest
from model_service.tfserving_model_service import TfServingBaseService

INPUT = "images"  # the field that callers send, and the input of the model
HEIGHT, WIDTH, CHANNELS = 28, 28, 1  # pictures are scaled to this size
ROW_SHAPE = (28, 28, 1)  # the shape of one picture in the input of the model
LOW, HIGH = 0.0, 1.0  # what black and white are in the pictures that the model was trained on
DTYPE = "float32"
MOST_PICTURES = 0  # in one request; 0: any number


class PictureService(TfServingBaseService):
    """Answers the raw outputs for the pictures of a request, in their order."""

    def _preprocess(self, data: Mapping[str, Mapping[str, io.BytesIO]]) -> dict[str, Any]:
        """Return ``{INPUT: [N, *ROW_SHAPE]}`` for N pictures."""
        uploads = list(data[INPUT].values())
        if MOST_PICTURES and len(uploads) > MOST_PICTURES:
            raise BadRequest(f"send at most {MOST_PICTURES} pictures in a request, not {len(uploads)}")
        pixels = np.stack([to_array(open_upright(each), HEIGHT, WIDTH, CHANNELS) for each in uploads])
        values = pixels / 255 * (HIGH - LOW) + LOW
        return {INPUT: values.astype(DTYPE).reshape(-1, *ROW_SHAPE)}

    def _postprocess(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``{output: nested lists}``; the first dimension of an output counts the pictures."""
        return {name: to_json(value) for name, value in data.items()}


def to_json(value: Any) -> Any:
    """Turn bytes, which TensorFlow has for text, into text."""
    if isinstance(value, list):
        return [to_json(each) for each in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
