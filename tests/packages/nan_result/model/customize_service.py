"""Answers NaN and infinities."""

from model_service.tfserving_model_service import TfServingBaseService


class NanService(TfServingBaseService):
    def _inference(self, data):
        return {"scores": [float("nan"), float("inf"), float("-inf"), 0.5]}
