"""Turns a Keras model, in a file or in memory, into a SavedModel that a model server can run.

The only module here that imports TensorFlow.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model_packaging.errors import BuildRefused

SIGNATURE = "serving_default"
_WAY_OUT = "If the model needs code of your own, export it as a SavedModel there, and give that folder as --model."
_GIST_MAX_CHARACTERS = 300
_INPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def export_keras_file(source: Path, target: Path, input_name: str | None, output_name: str | None) -> None:
    """Write the model in ``source`` as a SavedModel into the existing folder ``target``.

    Args:
        source: a .keras, .h5 or .hdf5 file.
        target: where saved_model.pb and variables/ go.
        input_name: see :func:`export_keras_model`.
        output_name: the same for the output.

    Raises:
        BuildRefused: the file is no Keras model, declares no inputs, or has several where one name was given.
    """
    _check_name("--input-name", input_name)
    with _environment(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2"):  # only this backend writes SavedModels
        import keras

    if source.suffix.lower() == ".keras" and not zipfile.is_zipfile(source):
        raise BuildRefused(f"{source}: is no Keras file (those are zip archives), or is truncated.")
    try:
        model = keras.models.load_model(source, compile=False)
    except Exception as error:  # the readers raise what their formats' libraries raise
        raise BuildRefused(f"{source}: Keras cannot load it: {_gist(error)}\n  {_WAY_OUT}") from error
    export_keras_model(model, target, input_name, output_name, title=str(source))


def export_keras_model(
    model: Any,
    target: Path,
    input_name: str | None = None,
    output_name: str | None = None,
    *,
    title: str = "the Keras model",
) -> None:
    """Write a Keras model as a SavedModel into the existing folder ``target``.

    Its only signature is ``serving_default``. Shapes and element types are the model's own; the first dimension is
    the batch.

    Args:
        model: a keras.Model.
        target: where saved_model.pb and variables/ go.
        input_name: the key of the only input; None: the name that Keras gave it. Required form: a Python name.
        output_name: the same for the output.
        title: what messages call the model.

    Raises:
        BuildRefused: it declares no inputs, has several where one name was given, or cannot be traced.
    """
    _check_name("--input-name", input_name)
    with _environment(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="2"):
        import keras
        import tensorflow as tf

    if keras.config.backend() != "tensorflow":
        raise BuildRefused(
            f"{title}: Keras runs on {keras.config.backend()} here, and only TensorFlow writes SavedModels. Save it as "
            "a .keras file and give that to model-service package build."
        )
    inputs = getattr(model, "inputs", None)
    if not inputs:
        what = "the model was saved before it was built, or is a subclass of keras.Model: its inputs are unknown."
        raise BuildRefused(f"{title}: {what} {_WAY_OUT}")
    structure = inputs[0] if isinstance(model, keras.Sequential) else model.input
    keys = _input_keys(title, structure, inputs, input_name)
    specs = [tf.TensorSpec(each.shape, each.dtype, name=key) for each, key in zip(inputs, keys, strict=True)]
    name_outputs = _output_namer(title, model, output_name)

    def serve(*tensors: Any) -> dict[str, Any]:
        return name_outputs(model(keras.tree.pack_sequence_as(structure, list(tensors)), training=False))

    try:
        call = tf.function(serve, input_signature=specs).get_concrete_function()
        tf.saved_model.save(_module_to_save(model, call), str(target), {SIGNATURE: call})
    except Exception as error:  # whatever a layer raises while it is traced
        raise BuildRefused(f"{title}: cannot be exported: {_gist(error)}\n  {_WAY_OUT}") from error


def _module_to_save(model: Any, call: Any) -> Any:
    """Return what owns the variables and tables that the traced call reads.

    Model servers restore the variables that hang on the saved object themselves. Those that hang on it through a Keras
    variable are written as copies, and what the call reads stays without a value: so the variables below Keras's own
    are given. A model with lookup tables must hang on it as well; its weights are then written twice.
    """
    import keras
    import tensorflow as tf

    module = tf.Module()
    module.values = [each.value if isinstance(each, keras.Variable) else each for each in model.variables]
    handles = {id(value.handle) for value in module.values}
    resources = [each for each in call.captured_inputs if each.dtype == tf.resource]
    if any(id(each) not in handles for each in resources):
        module.model = model
    return module


def _check_name(flag: str, name: str | None) -> None:
    if name is not None and not _INPUT_NAME.fullmatch(name):
        raise BuildRefused(f"{flag} {name}: must be a letter or _, followed by letters, digits and _")


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set environment variables for as long as the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _input_keys(title: str, structure: Any, inputs: list[Any], input_name: str | None) -> list[str]:
    """Return a key for each of ``inputs``, which are the flat form of ``structure``; a dict is ordered by its keys."""
    own = sorted(structure) if isinstance(structure, dict) else [str(each.name) for each in inputs]
    if input_name is None:
        return [re.sub(r"\W", "_", name) for name in own]
    if len(own) > 1:
        raise BuildRefused(f"{title}: has {len(own)} inputs ({', '.join(own)}); --input-name is for models with one")
    return [input_name]


def _output_namer(title: str, model: Any, output_name: str | None) -> Callable[[Any], dict[str, Any]]:
    """Return a function from what the model returns to ``{key: tensor}``."""
    # A Sequential has no output_names; its output is its last layer's.
    own = [str(name) for name in getattr(model, "output_names", [model.layers[-1].name])]
    if output_name is not None and len(own) > 1:
        raise BuildRefused(f"{title}: has {len(own)} outputs ({', '.join(own)}); --output-name is for models with one")

    def name_outputs(result: Any) -> dict[str, Any]:
        if isinstance(result, Mapping) and output_name is None:
            return dict(result)
        import keras

        tensors = keras.tree.flatten(result)
        names = [output_name] if output_name is not None else own
        return dict(zip(names, tensors, strict=True))

    return name_outputs


def _gist(error: Exception) -> str:
    """Say in one line what is often a page: its last line, where TensorFlow and Keras put the point."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else "no message"
    return f"{type(error).__name__}: {text[:_GIST_MAX_CHARACTERS]}{'...' if len(text) > _GIST_MAX_CHARACTERS else ''}"
