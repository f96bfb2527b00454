"""Can be made once only: a second instance, for a second thread, fails."""

import time

from model_service.tfserving_model_service import TfServingBaseService

MADE = []


class NumberService(TfServingBaseService):
    def __new__(cls, *arguments):
        MADE.append(cls)
        if len(MADE) > 1:
            raise RuntimeError("there is one already")
        return super().__new__(cls)

    def _inference(self, data):
        time.sleep(0.1)
        return data
