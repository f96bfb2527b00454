"""A pair without a length."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _inference(self, data):
        return {"y": ["x", data["x"]]}
