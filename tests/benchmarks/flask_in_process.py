"""The plain way, to compare with: one Flask process with the model in it. Arguments: SavedModel folder, port."""

from __future__ import annotations

import logging
import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import flask
import numpy as np
import tensorflow as tf
import waitress
from PIL import Image

app = flask.Flask("plain")
model = tf.saved_model.load(sys.argv[1])
signature = model.signatures["predict_images"]


@app.post("/")
def predict() -> flask.Response:
    pixels = np.array(Image.open(flask.request.files["images"].stream), dtype=np.float32).reshape(1, 784)
    scores = signature(images=tf.constant(pixels))["scores"].numpy()[0].tolist()
    best = sorted(range(10), key=scores.__getitem__, reverse=True)[:5]
    return flask.jsonify(predicted_label=str(best[0]), scores=[[str(label), scores[label]] for label in best])


logging.getLogger("waitress").setLevel(logging.ERROR)
waitress.serve(app, host="127.0.0.1", port=int(sys.argv[2]), threads=8)  # Flask's own server breaks kept connections
