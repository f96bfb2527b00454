"""Forgets the division by 255; nothing is declared."""

import numpy as np
from PIL import Image, ImageOps

from model_service.tfserving_model_service import TfServingBaseService


class DigitService(TfServingBaseService):
    def _preprocess(self, data):
        return {"images": np.stack([_row(content) for content in data["images"].values()])}

    def _postprocess(self, data):
        return {"labels": [row.index(max(row)) for row in data["scores"]], "scores": data["scores"]}


def _row(content):
    picture = ImageOps.exif_transpose(Image.open(content))
    if picture.mode.startswith("I"):
        picture = Image.fromarray((np.asarray(picture) // 257).astype(np.uint8))
    return np.asarray(picture.convert("L").resize((28, 28)), dtype=np.float32).reshape(784)
