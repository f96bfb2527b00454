"""A form is asked for an array."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _inference(self, data):
        return {"y": data["x"]}
