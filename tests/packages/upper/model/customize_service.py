"""Texts in, the same in capitals out, for the model ``strings``; the contract is strict and true."""

import numpy as np

from model_service.tfserving_model_service import TfServingBaseService


class UpperService(TfServingBaseService):
    def _preprocess(self, data):
        self.language = data["language"]
        return {"text": np.array(data["texts"], dtype=object)}

    def _postprocess(self, data):
        texts = [text.decode() for text in data["upper"]]
        return {"language": self.language, "count": len(texts), "texts": texts}
