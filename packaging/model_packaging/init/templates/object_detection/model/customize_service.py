"""Finds objects in a picture: a picture in, a class, a box and a score for every object out.

This file is the Python half of a model package. It lies in ``model/`` beside the SavedModel and ``config.json`` and
holds exactly one subclass of ``TfServingBaseService``. For every request the runtime calls its three methods in turn:

    _preprocess(data)      what was posted            ->  {input name: array}
    _inference(inputs)     inherited: one call to the model server
    _postprocess(outputs)  {output name: nested list} ->  the answer, anything that JSON can say

The names of the model's input and outputs, the labels and the contract in config.json must stay in step with it.
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
SIDE = 64  # the model takes pictures of 64 x 64 pixels
LEAST_SCORE = 0.3  # what the model is less sure of is not answered


class DetectionService(TfServingBaseService):
    """Finds the objects in the picture of a request."""

    # There is no __init__: nothing has to be set up.

    @functools.cached_property
    def labels(self) -> list[str]:
        """The names of the classes, one a line; the model answers their positions, from 0."""
        # The files of the package lie in self.model_path; the working directory is another one.
        return (Path(self.model_path) / "labels.txt").read_text(encoding="utf-8").splitlines()

    def _preprocess(self, data: Mapping[str, Mapping[str, io.BytesIO]]) -> dict[str, Any]:
        """Turn the picture of a request into the input of the model, ``{"images": float32 [1, 64, 64, 3]}``.

        ``data`` has an entry for every form field. A field with files is itself a dict, in the order of the request:
        the name of each file, and its content.
        """
        uploads = list(data[INPUT].values())
        if len(uploads) != 1:
            # BadRequest is for what only this file can know. The caller reads its text, with status 400.
            raise BadRequest(f"send one picture in a request, not {len(uploads)}")
        picture = open_upright(uploads[0])
        # The runtime lends an instance to one request at a time: what _postprocess needs can be kept on self.
        self._width, self._height = picture.size
        pixels = to_array(picture, SIDE, SIDE, 3)
        # Pixels go from 0 to 255; the model was made for 0 to 1.
        return {INPUT: (pixels / 255)[None]}

    def _postprocess(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Turn the outputs of the model into the answer: boxes from shares of its sides into pixels of the picture.

        ``data`` has for the one picture a list of boxes, of scores and of classes, in the order of their scores.
        """
        (boxes,), (scores,), (classes,) = (data[f"detection_{name}"] for name in ("boxes", "scores", "classes"))
        found = [index for index, score in enumerate(scores) if score >= LEAST_SCORE]
        sides = (self._height, self._width, self._height, self._width)
        return {
            "detection_classes": [self.labels[classes[index]] for index in found],
            "detection_boxes": [
                [share * side for share, side in zip(boxes[index], sides, strict=True)] for index in found
            ],
            "detection_scores": [scores[index] for index in found],
        }
