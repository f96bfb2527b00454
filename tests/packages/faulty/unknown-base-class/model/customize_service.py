"""The name of the base class is misspelt."""

from model_service.tfserving_model_service import TfServingBaseServce


class Service(TfServingBaseServce):
    def _inference(self, data):
        return {"y": data["x"]}
