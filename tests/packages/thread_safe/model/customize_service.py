"""Overrides the constructor, but says that one instance may be used by several threads."""

import threading
import time

from model_service.tfserving_model_service import TfServingBaseService


class SafeService(TfServingBaseService):
    thread_safe = True

    def __init__(self, model_name, model_path):
        super().__init__(model_name, model_path)
        self.instance = f"{id(self)}"

    def _inference(self, data):
        time.sleep(data.get("seconds", 0))
        return {"instance": self.instance, "thread": threading.current_thread().name}
