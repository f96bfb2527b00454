"""A part of variables/ is missing; the test takes it away."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _preprocess(self, data):
        return {"images": [[data["x"]] * 784]}

    def _postprocess(self, data):
        return {"y": data["scores"][0][0]}
