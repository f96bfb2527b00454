"""Predicts a class for every row of a table: rows of numbers in, a label and its probability for each out.

This file is the Python half of a model package. It lies in ``model/`` beside the SavedModel and ``config.json`` and
holds exactly one subclass of ``TfServingBaseService``. For every request the runtime calls its three methods in turn:

    _preprocess(data)      what was posted            ->  {input name: array}
    _inference(inputs)     inherited: one call to the model server
    _postprocess(outputs)  {output name: nested list} ->  the answer, anything that JSON can say

The names of the model's input and output and the contract in config.json must stay in step with it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from model_service.tfserving_model_service import TfServingBaseService

COLUMNS = ("width", "height")  # in the order in which the model was trained on them
LABELS = ("small", "medium", "large")  # in the order of the model's output


class PredictionService(TfServingBaseService):
    """Predicts the rows of a request."""

    # There is no __init__: nothing has to be set up.

    def _preprocess(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Turn the rows of a request into the input of the model, ``{"features": float32 [N, 2]}``.

        ``data`` is the JSON body. The contract in config.json is strict: when this is called the rows are there, and
        each has all columns as numbers in their range. What a schema cannot say is checked here:

            from model_service.errors import BadRequest
            raise BadRequest("width must be below height", status=422)
        """
        rows = data["data"]["req_data"]
        return {"features": np.array([[row[column] for column in COLUMNS] for row in rows], dtype=np.float32)}

    def _postprocess(self, data: Mapping[str, list[list[float]]]) -> dict[str, Any]:
        """Turn the output of the model, ``{"scores": N lists of three probabilities}``, into the answer.

        The outputs arrive as plain Python lists, not as arrays.
        """
        results = []
        for scores in data["scores"]:
            best = scores.index(max(scores))
            results.append({"predict_result": LABELS[best], "probability": scores[best]})
        return {"data": {"resp_data": results}}
