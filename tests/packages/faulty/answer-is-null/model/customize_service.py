"""The return of _postprocess is forgotten."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _inference(self, data):
        return data

    def _postprocess(self, data):
        data["y"] = data["x"]
