"""Counts the words of a text: an example of a package that computes its answer itself, without a SavedModel.

This file is the Python half of a model package. It lies in ``model/`` beside ``config.json`` and holds exactly one
subclass of ``TfServingBaseService``. For every request the runtime calls its three methods in turn:

    _preprocess(data)      what was posted  ->  what _inference takes
    _inference(inputs)     the computation; here it is our own, and no model server is started
    _postprocess(outputs)  its result       ->  the answer, anything that JSON can say

Any object may travel between them. The contract in config.json must stay in step with this file.
"""

from collections.abc import Mapping
from typing import Any

from model_service.tfserving_model_service import TfServingBaseService


class TextService(TfServingBaseService):
    """Counts characters and words."""

    # What is loaded once, weights for instance, is loaded in an __init__(self, model_name, model_path) that first calls
    # super().__init__(model_name, model_path); the files of the package lie in the folder model_path. A service with an
    # __init__ of its own is made once and gets one request at a time. If its methods keep nothing of a request on self,
    # say so with the class attribute thread_safe, set to True: it then gets as many at once as there are threads.

    def _preprocess(self, data: Mapping[str, str]) -> list[str]:
        """Take the text out of the JSON body. The contract is strict: ``text`` is there, and it is a string."""
        self._characters = len(data["text"])
        return data["text"].split()

    def _inference(self, data: list[str]) -> dict[str, Any]:
        """Compute the answer. ``super()._inference({...})`` would ask the model server, if there were a SavedModel."""
        return {"words": len(data), "longest_word": max(data, key=len, default="")}

    def _postprocess(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Make the answer."""
        return {"characters": self._characters, **data}
