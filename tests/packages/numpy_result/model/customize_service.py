"""Answers NumPy values and tuples."""

import numpy as np

from model_service.tfserving_model_service import TfServingBaseService


class NumpyService(TfServingBaseService):
    def _inference(self, data):
        return {
            "label": np.int64(7),
            "score": np.float32(0.5),
            "flag": np.bool_(True),
            "box": np.array([[1, 2], [3, 4]]),
            "pair": ("a", np.float16(1.5)),
        }
