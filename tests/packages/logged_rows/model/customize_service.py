"""A JSON object in, the model's scores of a row filled with its number out; each item is written to a log first.

``x`` is the number; ``fault`` makes the item fail: ``raise``, ``shape`` (the model refuses it) or ``crash`` (its process).
"""

import os
import signal
import time

import numpy as np

from model_service.tfserving_model_service import TfServingBaseService


class LoggedService(TfServingBaseService):
    def _preprocess(self, data):
        log = os.environ.get("ITEM_LOG")
        if log:
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{data['x']}\n")
        time.sleep(float(os.environ.get("ITEM_SECONDS", "0")))
        fault = data.get("fault")
        if fault == "raise":
            raise ValueError(f"no such thing as {data['x']}")
        if fault == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        self.x = data["x"]
        return {"images": np.full((1, 5 if fault == "shape" else 784), data["x"], np.float32)}

    def _postprocess(self, data):
        return {"x": self.x, "scores": data["scores"][0]}
