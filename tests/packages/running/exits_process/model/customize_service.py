"""Ends its process at a border of its contract."""

import os

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        if data["number"] == 10:
            os._exit(3)
        return data
