"""Keeps a request on itself, and says it were thread safe."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    thread_safe = True

    def _preprocess(self, data):
        self.x = data["x"]
        return data

    def _inference(self, data):
        return {"y": self.x}
