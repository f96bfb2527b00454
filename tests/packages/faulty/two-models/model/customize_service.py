"""A frozen graph lies beside the SavedModel."""

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _preprocess(self, data):
        return {"x": [[data["x"]]]}

    def _postprocess(self, data):
        return {"y": data["y"][0][0]}
