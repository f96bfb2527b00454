"""Writes into every socket it finds, then answers."""

import os

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        for name in os.listdir("/proc/self/fd"):
            if os.path.realpath(f"/proc/self/fd/{name}").rpartition("/")[2].startswith("socket"):
                os.write(int(name), b"\0\0\0\4oops")
        return data
