"""Reads a field that its contract does not have."""

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        return {"number": data["numbers"]}
