"""A constructor that never calls ours, keeps its own things under names of ours, and serves without us."""

from model_service.tfserving_model_service import TfServingBaseService


class TableService(TfServingBaseService):
    def __init__(self, model_name, model_path):
        self.signature = {"a": 1, "b": 2}
        self.model_path = None
        self.model = None

    def _inference(self, data):
        return {"value": self.signature[data["name"]]}
