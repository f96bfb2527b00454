"""Crashes in native code."""

import ctypes

from model_service.tfserving_model_service import TfServingBaseService


class NumberService(TfServingBaseService):
    def _inference(self, data):
        return {"text": ctypes.string_at(0)}
