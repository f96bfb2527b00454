"""Raises what the field ``error`` names, in the hook that the field ``hook`` names (default: _preprocess)."""

import builtins
import errno
import io
import sys

from PIL import Image

from model_service.errors import BadRequest
from model_service.tfserving_model_service import TfServingBaseService


def _broken_image():
    Image.open(io.BytesIO(b"no image at all"))


def _truncated_image():
    content = io.BytesIO()
    Image.new("RGB", (64, 64)).save(content, "PNG")
    Image.open(io.BytesIO(content.getvalue()[:-40])).load()


def _fail(error):
    if error == "BadRequest":
        raise BadRequest("the side must be left or right", status=422)
    if error == "SystemExit":
        sys.exit(3)
    if error == "OSError":
        raise OSError(errno.ENOSPC, "no space left: secret place")
    if error == "broken_image":
        _broken_image()
    if error == "truncated_image":
        _truncated_image()
    if error == "RecursionError":
        _fail(error)
    raise getattr(builtins, error)("secret text")


class RaisingService(TfServingBaseService):
    def _preprocess(self, data):
        return self._step("_preprocess", data)

    def _inference(self, data):
        return self._step("_inference", data)

    def _postprocess(self, data):
        return self._step("_postprocess", data)

    def _step(self, hook, data):
        if data.get("error") and data.get("hook", "_preprocess") == hook:
            _fail(data["error"])
        return data
