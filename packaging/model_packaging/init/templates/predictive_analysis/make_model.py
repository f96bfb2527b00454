"""Makes the model of this package: a tiny network that tells small, medium and large things by width and height.

    python make_model.py

Exchange it for your own training. What matters to the package is the end: a SavedModel in ``model/``, whose signature
has the input and the output that customize_service.py names, and a batch dimension that is open.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

MODEL_FOLDER = Path(__file__).resolve().parent / "model"
SEED = 1


def make_rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Make things: width and height float32 [count, 2] from 0 to 100, and the class of each, int64 [count]."""
    rows = np.random.default_rng(SEED).uniform(0, 100, (count, 2)).astype(np.float32)
    return rows, np.digitize(rows.mean(axis=1), [33, 66])


def main() -> None:
    """Train and export."""
    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Rescaling(1 / 50, -1),  # inside the model, so that callers send centimetres
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rows, labels = make_rows(2048)
    model.fit(rows, labels, batch_size=64, epochs=10, verbose=2)

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="features")])
    def predict(features: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": model(features, training=False)}

    module = tf.Module()
    module.values = [variable.value for variable in model.variables]  # model servers restore what hangs on the module
    tf.saved_model.save(module, str(MODEL_FOLDER), {"serving_default": predict})
    print(f"The model is in {MODEL_FOLDER}")


if __name__ == "__main__":
    main()
