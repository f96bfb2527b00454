"""Keeps request state in a global, so that requests must come one after the other."""

import time

from model_service.tfserving_model_service import TfServingBaseService

running = 0
most = 0


class GlobalService(TfServingBaseService):
    def _inference(self, data):
        global running, most
        running += 1
        most = max(most, running)
        time.sleep(data.get("seconds", 0.01))
        running -= 1
        return {"most": most}
