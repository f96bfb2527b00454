"""Divides by what may be zero."""

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        return {"number": 1 / data["number"]}
