"""_preprocess takes a context, too."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _preprocess(self, data, context):
        return data

    def _inference(self, data):
        return {"y": data["x"]}
