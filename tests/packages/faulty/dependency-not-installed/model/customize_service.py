"""Declares and imports what is not installed."""

import surely_not_installed

from model_service.tfserving_model_service import TfServingBaseService


class Service(TfServingBaseService):
    def _inference(self, data):
        return {"y": surely_not_installed.run(data)}
