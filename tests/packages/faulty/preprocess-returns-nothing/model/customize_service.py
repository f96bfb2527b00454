"""The return of _preprocess is forgotten."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _preprocess(self, data):
        inputs = {"x": [[data["x"]]]}
        inputs["x"].append([0])

    def _postprocess(self, data):
        return {"y": data["y"][0][0]}
