"""Adds noise to its scores."""

import numpy as np
from PIL import Image, ImageOps

from model_service.tfserving_model_service import TfServingBaseService


class DigitService(TfServingBaseService):
    def _preprocess(self, data):
        return {"images": np.stack([_row(content) for content in data["images"].values()])}

    def _postprocess(self, data):
        scores = np.asarray(data["scores"]) + np.random.default_rng().random()
        return {"labels": [0], "scores": scores}


def _row(content):
    picture = ImageOps.exif_transpose(Image.open(content))
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
    return np.asarray(picture.convert("L").resize((28, 28)), dtype=np.float32).reshape(784) / 255
