"""Makes the model of this package: a tiny classifier that tells red, green and blue pictures apart.

    python make_model.py

Exchange it for your own training. What matters to the package is the end: a SavedModel in ``model/``, whose signature
has the input and the output that customize_service.py names, and a batch dimension that is open.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

MODEL_FOLDER = Path(__file__).resolve().parent / "model"
SIDE = 32
SEED = 1


def make_pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Make noisy pictures of one colour: float32 [count, SIDE, SIDE, 3] from 0 to 1, and the labels int64 [count]."""
    random = np.random.default_rng(SEED)
    labels = random.integers(0, 3, count)
    pictures = random.random((count, SIDE, SIDE, 3)) * 0.5
    pictures[np.arange(count), :, :, labels] += 0.5
    return pictures.astype(np.float32), labels


def main() -> None:
    """Train and export."""
    keras.utils.set_random_seed(SEED)
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    pictures, labels = make_pictures(512)
    model.fit(pictures, labels, batch_size=64, epochs=10, verbose=2)

    @tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="images")])
    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"scores": model(images, training=False)}

    module = tf.Module()
    module.values = [variable.value for variable in model.variables]  # model servers restore what hangs on the module
    tf.saved_model.save(module, str(MODEL_FOLDER), {"serving_default": classify})
    print(f"The model is in {MODEL_FOLDER}")


if __name__ == "__main__":
    main()
