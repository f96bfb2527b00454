"""Tiny SavedModels with known answers. ``python tests/models.py KIND DIRECTORY`` writes one, KIND ``all`` writes each.

TensorFlow is imported by the functions that write, so that tests can import this module for its constants.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float32]]

IMAGE_PIXELS = 784
CLASSES = 10
PREDICT_SIGNATURE = "predict_images"


def digits_weights() -> tuple[FloatArray, FloatArray]:
    """The weights of kind ``digits``: float32 [784, 10] and float32 [10]."""
    random = np.random.default_rng(20190131)
    weights = random.normal(0, 0.01, (IMAGE_PIXELS, CLASSES)).astype(np.float32)
    return weights, random.normal(0, 0.1, CLASSES).astype(np.float32)


def digits_scores(images: FloatArray) -> FloatArray:
    """What kind ``digits`` answers, computed without TensorFlow: float32 [n, 784] -> float32 [n, 10]."""
    weights, biases = digits_weights()
    logits = images @ weights + biases
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _function(call: Callable[..., Any], **specs: Any) -> Any:
    import tensorflow as tf

    return tf.function(call, input_signature=[tf.TensorSpec(*spec, name=name) for name, spec in specs.items()])


def _save(directory: Path, signatures: Mapping[str, Any], **variables: Any) -> None:
    import tensorflow as tf

    module = tf.Module()
    for name, value in variables.items():
        setattr(module, name, value)
    tf.saved_model.save(
        module, str(directory), {name: call.get_concrete_function() for name, call in signatures.items()}
    )


def _linear(factor: float, term: float, *shape: int | None) -> Any:
    return _function(lambda x: {"y": x * factor + term}, x=(shape, "float32"))


def write_digits(directory: Path) -> None:
    """Softmax regression: images f32 [?, 784] -> scores f32 [?, 10]; the only signature is ``predict_images``."""
    import tensorflow as tf

    weights, biases = (tf.Variable(value) for value in digits_weights())
    predict = _function(
        lambda images: {"scores": tf.nn.softmax(images @ weights + biases)}, images=((None, IMAGE_PIXELS), "float32")
    )
    _save(directory, {PREDICT_SIGNATURE: predict}, weights=weights, biases=biases)


def write_one_row(directory: Path) -> None:
    """As ``digits``, but for one row only: images f32 [1, 784] -> scores f32 [1, 10]."""
    import tensorflow as tf

    with_biases = tf.Variable(np.vstack(digits_weights()))

    def one_row(images: Any) -> dict[str, Any]:
        return {"scores": tf.nn.softmax(tf.concat([images, tf.ones((1, 1))], axis=1) @ with_biases)}

    predict = _function(one_row, images=((1, IMAGE_PIXELS), "float32"))
    _save(directory, {PREDICT_SIGNATURE: predict}, with_biases=with_biases)


def write_half_plus_two(directory: Path) -> None:
    """X f32 [?, 1] -> y = x / 2 + 2; ``serving_default``."""
    _save(directory, {"serving_default": _linear(0.5, 2, None, 1)})


def write_two_signatures(directory: Path) -> None:
    """X f32 [?] -> y; ``plus_one`` and ``plus_two``, and none is the default."""
    _save(directory, {"plus_one": _linear(1, 1, None), "plus_two": _linear(1, 2, None)})


def write_two_with_default(directory: Path) -> None:
    """X f32 [?] -> y; ``serving_default`` doubles, ``other`` negates."""
    _save(directory, {"serving_default": _linear(2, 0, None), "other": _linear(-1, 0, None)})


def write_strings(directory: Path) -> None:
    """Text string [?] -> upper string [?]; ``serving_default``."""
    import tensorflow as tf

    upper = _function(lambda text: {"upper": tf.strings.upper(text)}, text=((None,), "string"))
    _save(directory, {"serving_default": upper})


def write_integers(directory: Path) -> None:
    """X int32 [?] -> y = x + 1; ``serving_default``."""
    _save(directory, {"serving_default": _function(lambda x: {"y": x + 1}, x=((None,), "int32"))})


def write_mixed(directory: Path) -> None:
    """Echoes inputs as ``<name>_out``: wide int64, flag bool, tiny half, brain bfloat16, byte uint8, all [?]."""
    names = {"wide": "int64", "flag": "bool", "tiny": "float16", "brain": "bfloat16", "byte": "uint8"}

    def echo(wide: Any, flag: Any, tiny: Any, brain: Any, byte: Any) -> dict[str, Any]:
        import tensorflow as tf

        values = {"wide": wide, "flag": flag, "tiny": tiny, "brain": brain, "byte": byte}
        return {f"{name}_out": tf.identity(value) for name, value in values.items()}

    _save(directory, {"serving_default": _function(echo, **{name: ((None,), kind) for name, kind in names.items()})})


def write_scalar(directory: Path) -> None:
    """X f32 [] -> y = 2 x + 1, f32 []; ``serving_default``."""
    _save(directory, {"serving_default": _linear(2, 1)})


def write_sizes(directory: Path) -> None:
    """Features f32 [?, 2] -> scores f32 [?, 3], a softmax of a fixed linear function; ``serving_default``."""
    import tensorflow as tf

    weights = tf.Variable([[-0.05, 0.0, 0.05], [-0.05, 0.0, 0.05]])
    biases = tf.Variable([3.0, 1.0, -3.0])
    predict = _function(
        lambda features: {"scores": tf.nn.softmax(features @ weights + biases)}, features=((None, 2), "float32")
    )
    _save(directory, {"serving_default": predict}, weights=weights, biases=biases)


def write_pictures(directory: Path) -> None:
    """Images f32 [?, ?, ?, 3] -> sums f32 [?, 3] over each picture, shape int32 [4]; ``serving_default``."""
    import tensorflow as tf

    def look(images: Any) -> dict[str, Any]:
        return {"sums": tf.reduce_sum(images, axis=(1, 2)), "shape": tf.shape(images)}

    _save(directory, {"serving_default": _function(look, images=((None, None, None, 3), "float32"))})


WRITERS: Mapping[str, Callable[[Path], None]] = {
    "digits": write_digits,
    "one_row": write_one_row,
    "half_plus_two": write_half_plus_two,
    "two_signatures": write_two_signatures,
    "two_with_default": write_two_with_default,
    "strings": write_strings,
    "integers": write_integers,
    "mixed": write_mixed,
    "scalar": write_scalar,
    "sizes": write_sizes,
    "pictures": write_pictures,
}


def main(arguments: list[str]) -> None:
    """Write the SavedModel of a kind into a folder; ``all`` writes each into a subfolder of its name."""
    kind, directory = arguments
    if kind != "all":
        WRITERS[kind](Path(directory))
        return
    for name, write in WRITERS.items():
        write(Path(directory) / name)


if __name__ == "__main__":
    main(sys.argv[1:])
