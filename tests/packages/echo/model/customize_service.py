"""Answers what it was given, any JSON, uploads as their length; brings its own _inference."""

import io

from model_service.tfserving_model_service import TfServingBaseService


def _described(value):
    """JSON as it is; an upload as its length in bytes."""
    if isinstance(value, io.BytesIO):
        return len(value.read())
    if isinstance(value, dict):
        return {key: _described(item) for key, item in value.items()}
    return value


class EchoService(TfServingBaseService):
    def _preprocess(self, data):
        return _described(data)

    def _inference(self, data):
        return {"data": data}
