"""Sends four of five inputs."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _preprocess(self, data):
        inputs = {"wide": [1], "flag": [True]}
        inputs["tiny"] = inputs["brain"] = [data["x"]]
        return inputs

    def _postprocess(self, data):
        return {"y": data["tiny_out"][0]}
