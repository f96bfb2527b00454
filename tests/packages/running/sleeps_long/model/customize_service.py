"""Takes more than a second for a request."""

import time

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        time.sleep(1.2)
        return data
