"""Answers bytes, which JSON cannot say."""

from model_service.tfserving_model_service import TfServingBaseService


class BytesService(TfServingBaseService):
    def _inference(self, data):
        return {"text": [b"raw"]}
