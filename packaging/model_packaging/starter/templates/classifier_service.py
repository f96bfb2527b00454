"""Says what is in a picture: a picture in, the likeliest label and the score of every label out.

This file is the Python half of a model package. It lies in ``model/`` beside the SavedModel and ``config.json`` and
holds exactly one subclass of ``TfServingBaseService``. For every request the runtime calls its three methods in turn:

    _preprocess(data)      what was posted            ->  {input name: array}
    _inference(inputs)     inherited: one call to the model server
    _postprocess(outputs)  {output name: nested list} ->  the answer, anything that JSON can say

The names of the model's input and output, the labels and the contract in config.json must stay in step with it.
"""

import functools
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pictures import open_upright, to_array  # pictures.py lies beside this file

from model_service.errors import BadRequest
from model_service.tfserving_model_service import TfServingBaseService

INPUT = "images"  # the field that callers send, and the input of the model
OUTPUT = "scores"  # the output of the model
HEIGHT, WIDTH, CHANNELS = 32, 32, 3  # pictures are scaled to this size
ROW_SHAPE = (32, 32, 3)  # the shape of one picture in the input of the model
LOW, HIGH = 0.0, 1.0  # what black and white are in the pictures that the model was trained on
DTYPE = "float32"


class ClassificationService(TfServingBaseService):
    """Classifies the picture of a request."""

    # There is no __init__: nothing has to be set up. The runtime lends an instance to one request at a time, so what
    # _postprocess needs to know of the request can be kept on self.

    @functools.cached_property
    def labels(self) -> list[str]:
        """The names of the classes, one a line, in the order of the model's output."""
        # The files of the package lie in self.model_path; the working directory is another one.
        return (Path(self.model_path) / "labels.txt").read_text(encoding="utf-8").splitlines()

    def _preprocess(self, data: Mapping[str, Mapping[str, io.BytesIO]]) -> dict[str, Any]:
        """Turn the picture of a request into the input of the model, ``{INPUT: [1, *ROW_SHAPE]}``.

        ``data`` has an entry for every form field. A field with files is itself a dict, in the order of the request:
        the name of each file, and its content.
        """
        uploads = list(data[INPUT].values())
        if len(uploads) != 1:
            # BadRequest is for what only this file can know. The caller reads its text, with status 400.
            raise BadRequest(f"send one picture in a request, not {len(uploads)}")
        pixels = to_array(open_upright(uploads[0]), HEIGHT, WIDTH, CHANNELS)
        # Pixels go from 0 to 255; a model must get the range that it was trained on.
        values = pixels / 255 * (HIGH - LOW) + LOW
        return {INPUT: values.astype(DTYPE).reshape(1, *ROW_SHAPE)}

    def _postprocess(self, data: Mapping[str, list[list[float]]]) -> dict[str, Any]:
        """Turn the output of the model, ``{OUTPUT: [one list of scores]}``, into the answer.

        The outputs arrive as plain Python lists, not as arrays.
        """
        (scores,) = data[OUTPUT]
        ranked = sorted(zip(self.labels, scores, strict=True), key=lambda pair: pair[1], reverse=True)
        return {"predicted_label": ranked[0][0], "scores": ranked}
