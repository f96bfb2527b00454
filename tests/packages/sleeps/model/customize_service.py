"""Takes as many seconds as the request says."""

import time

from model_service.tfserving_model_service import TfServingBaseService


class SleepingService(TfServingBaseService):
    def _inference(self, data):
        time.sleep(data["seconds"])
        return {"slept": data["seconds"]}
