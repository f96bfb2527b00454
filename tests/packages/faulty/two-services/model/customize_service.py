"""Two classes could serve."""

from model_service.tfserving_model_service import TfServingBaseService


class First(TfServingBaseService):
    def _inference(self, data):
        return {"y": 1}


class Second(TfServingBaseService):
    def _inference(self, data):
        return {"y": 2}
