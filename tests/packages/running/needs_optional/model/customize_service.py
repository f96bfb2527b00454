"""Needs a property that its contract calls optional."""

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        return {"sum": data["number"] + data["more"]}
