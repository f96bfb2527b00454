"""Makes the model of this package: a tiny detector that finds what is red, green or blue.

    python make_model.py

Exchange it for your own. What matters to the package is the end: a SavedModel in ``model/``, whose signature has the
input and the outputs that customize_service.py names, and a batch dimension that is open.
"""

from pathlib import Path

import tensorflow as tf

MODEL_FOLDER = Path(__file__).resolve().parent / "model"
SIDE = 64
LEAST_DOMINANCE = 0.3  # by how much a colour must exceed the others


def extent(marks: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """From where to where a line has marks, as shares of its length: [N, length, 3] to twice [N, 3]."""
    first = tf.argmax(marks, axis=1, output_type=tf.int32)
    last = SIDE - tf.argmax(tf.reverse(marks, [1]), axis=1, output_type=tf.int32)
    return tf.cast(first, tf.float32) / SIDE, tf.cast(last, tf.float32) / SIDE


@tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="images")])
def detect(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Find one object of each colour, the surest first; images are float32 from 0 to 1."""
    red, green, blue = tf.unstack(images, axis=-1)
    others = (tf.maximum(green, blue), tf.maximum(red, blue), tf.maximum(red, green))
    dominance = images - tf.stack(others, axis=-1)
    marks = tf.cast(dominance > LEAST_DOMINANCE, tf.int32)
    top, bottom = extent(tf.reduce_max(marks, axis=2))
    left, right = extent(tf.reduce_max(marks, axis=1))
    scores, classes = tf.math.top_k(tf.clip_by_value(tf.reduce_max(dominance, axis=(1, 2)), 0.0, 1.0), k=3)
    boxes = tf.gather(tf.stack([top, left, bottom, right], axis=-1), classes, batch_dims=1)
    return {"detection_boxes": boxes, "detection_scores": scores, "detection_classes": tf.cast(classes, tf.int64)}


if __name__ == "__main__":
    tf.saved_model.save(tf.Module(), str(MODEL_FOLDER), {"serving_default": detect})
    print(f"The model is in {MODEL_FOLDER}")
