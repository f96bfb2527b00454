"""``python write_models.py DIRECTORY`` writes the SavedModels of these tests, one folder KIND/VERSION each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import flatbuffers
import tensorflow as tf
from flatbuffers import flexbuffers
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.lite.python import schema_py_generated as lite_schema

v1 = tf.compat.v1

ECHO_TYPES = (
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128", "bool", "string"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("qint8", "qint16", "qint32", "quint8", "quint16"),
    *("float8_e5m2", "float8_e4m3fn", "int4", "uint4"),
)


def _function(call: Callable[..., Any], **specs: Any) -> Any:
    arguments = [tf.TensorSpec(shape, kind, name=name) for name, (shape, kind) in specs.items()]
    return tf.function(call, input_signature=arguments).get_concrete_function()


def _save(directory: Path, **signatures: Any) -> None:
    tf.saved_model.save(tf.Module(), str(directory), signatures)


def _linear(factor: float, term: float) -> Any:
    return _function(lambda x: {"y": x * factor + term}, x=([None, 1], "float32"))


def _save_half_plus(term: float, directory: Path) -> None:
    """TensorFlow 1: y = x / 2 + term, x float32 [?, 1], for Predict, and for Classify and Regress of examples with x.

    ``labelled`` has classes and scores, ``labels`` only classes; the last ones fit neither method.
    """
    info = v1.saved_model.build_tensor_info
    with tf.Graph().as_default(), v1.Session() as session:
        examples = v1.placeholder("string", [None], name="tf_example")
        parsed = v1.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], "float32")})
        x = tf.identity(parsed["x"], name="x")
        factor = v1.get_variable("factor", initializer=0.5, use_resource=False)
        y = tf.add(x * factor, term, name="y")
        both = tf.concat([y, x], 1)
        labels = tf.strings.as_string(both, precision=1)
        classes = info(tf.concat([labels, tf.fill(tf.shape(x), "last")], 1))
        methods = {name: f"tensorflow/serving/{name}" for name in ("classify", "predict", "regress")}
        plans = {
            "serving_default": (x, {"y": info(y)}, "predict"),
            "classify_x_to_y": (examples, {"scores": info(y)}, "classify"),
            "regress_x_to_y": (examples, {"outputs": info(y)}, "regress"),
            "regress_vector": (examples, {"outputs": info(tf.squeeze(y, 1))}, "regress"),
            "labelled": (examples, {"scores": info(both), "classes": info(labels)}, "classify"),
            "labels": (examples, {"classes": info(labels)}, "classify"),
            "no_batch": (examples, {"scores": info(tf.reduce_sum(both, 0)), "classes": info(labels)}, "classify"),
            "integers": (examples, {"scores": info(tf.cast(both, "int64"))}, "classify"),
            "short": (examples, {"scores": info(both[:1])}, "classify"),
            "uneven": (examples, {"scores": info(both), "classes": classes}, "classify"),
            "wide": (examples, {"outputs": info(both)}, "regress"),
            "one_number": (examples, {"outputs": info(y[:1])}, "regress"),
            "doubles": (examples, {"outputs": info(tf.cast(y, "float64"))}, "regress"),
            "floats_in": (x, {"outputs": info(y)}, "regress"),
            "misnamed": (examples, {"value": info(y)}, "regress"),
        }
        signatures = {
            name: v1.saved_model.signature_def_utils.build_signature_def(
                {"x" if method == "predict" else "inputs": info(fed)}, outputs, methods[method]
            )
            for name, (fed, outputs, method) in plans.items()
        }
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
        builder.save()


def write_half_plus_two(root: Path) -> None:
    """Versions 7 (y = x / 2 + 2) and 123 (y = x / 2 + 3)."""
    _save_half_plus(2, root / "00000007")
    _save_half_plus(3, root / "00000123")


def write_plus_two(root: Path) -> None:
    """Version 123 alone, y = x / 2 + 2, as in the real server's test suite."""
    _save_half_plus(2, root / "00000123")


def write_half_plus_three(root: Path) -> None:
    """Version 123, y = x / 2 + 3."""
    _save_half_plus(3, root / "00000123")


def write_signatures(root: Path) -> None:
    """Two inputs, three outputs; a second signature; one with a default for ``b``."""

    def three(a: Any, b: Any) -> Any:
        return {"sum": a + b, "difference": a - b, "rows": tf.shape(a)[0]}

    pair = {"a": ([None], "float32"), "b": ([None], "float32")}
    with_default = tf.function(
        lambda a, b: {"sum": a + b},
        input_signature=[
            tf.TensorSpec([None], "float32", "a"),
            tf.TensorSpec([], "float32", "b"),
        ],
    ).get_concrete_function()
    _save(root / "1", serving_default=_function(three, **pair), triple=_linear(3, 0), defaulted=with_default)
    path = root / "1" / "saved_model.pb"
    saved = SavedModel.FromString(path.read_bytes())
    defaults = saved.meta_graphs[0].signature_def["defaulted"].defaults
    defaults["b"].CopyFrom(tf.make_tensor_proto(10.0))
    path.write_bytes(saved.SerializeToString())


def write_echo(root: Path) -> None:
    """One signature per element type: x of any shape -> y; one of strings -> y_bytes."""
    signatures = {name: _function(lambda x: {"y": tf.identity(x)}, x=(None, name)) for name in ECHO_TYPES}
    signatures["joined"] = _function(
        lambda a, b: {"y": tf.strings.join([a, b])}, a=([None], "string"), b=([None], "string")
    )
    signatures["bytes"] = _function(lambda x: {"y_bytes": tf.identity(x)}, x=(None, "string"))
    _save(root / "1", **signatures)


def write_keras(root: Path) -> None:
    """A dense layer of ones over three inputs."""
    model = tf.keras.Sequential([tf.keras.Input([3]), tf.keras.layers.Dense(1, kernel_initializer="ones")])
    model.export(str(root / "1"), verbose=False)


def write_tables(root: Path) -> None:
    """TensorFlow 1: words are looked up in an asset file and in a table made by an initializer; a variable is added."""
    words = root / "words.txt"
    root.mkdir(parents=True)
    words.write_text("zero\none\ntwo\n", encoding="utf-8")
    with tf.Graph().as_default(), v1.Session() as session:
        asset = v1.constant(str(words))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, asset)
        from_file = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                asset, "string", tf.lookup.TextFileIndex.WHOLE_LINE, "int64", tf.lookup.TextFileIndex.LINE_NUMBER
            ),
            -1,
        )
        names = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1, 2], "int64"), ["null", "eins", "zwei"]), "?"
        )
        offset = v1.get_variable("offset", initializer=tf.constant(100, "int64"), use_resource=False)
        word = v1.placeholder("string", [None], name="word")
        number = from_file.lookup(word)
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {"word": info(word)},
            {"number": info(number + offset), "name": info(names.lookup(number))},
            "tensorflow/serving/predict",
        )
        builder = v1.saved_model.Builder(str(root / "1"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
        )
        builder.save()
    words.unlink()


def write_slow(root: Path) -> None:
    """Counts to ``n`` (int32 scalar) in a while loop: 1,000,000 take about a second."""

    def count(n: Any) -> Any:
        return {"counted": tf.while_loop(lambda i: i < n, lambda i: (i + 1,), (tf.constant(0),))[0]}

    _save(root / "1", serving_default=_function(count, n=([], "int32")))


def _parsed_x(examples: Any) -> Any:
    return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]


def write_half_plus_two_tf2(root: Path) -> None:
    """TensorFlow 2: y = x / 2 + 2 for floats, and for tf.Examples under the names of classify and regress."""
    examples = {"inputs": ([None], "string")}
    _save(
        root / "00000123",
        serving_default=_linear(0.5, 2),
        classify_x_to_y=_function(lambda inputs: {"scores": _parsed_x(inputs) * 0.5 + 2}, **examples),
        regress_x_to_y=_function(lambda inputs: {"outputs": _parsed_x(inputs) * 0.5 + 2}, **examples),
    )


def write_saved_checkpoint(root: Path) -> None:
    """A checkpoint with two variables and a function of any shape: y = 3 * 2 * x."""
    checkpoint = tf.train.Checkpoint(v1=tf.Variable(3.0), v2=tf.Variable(2.0))
    call = tf.function(lambda x: {"y": checkpoint.v1 * checkpoint.v2 * x})
    tf.saved_model.save(checkpoint, str(root / "00000123"), call.get_concrete_function(tf.TensorSpec(None, tf.float32)))


def write_two_functions(root: Path) -> None:
    """Two signatures that answer 1 and 2 whatever they get."""
    x = {"x": (None, "float32")}
    one, two = (_function(lambda x, y=y: {"y": tf.constant([y])}, **x) for y in (1.0, 2.0))
    _save(root / "00000123", serving_default=one, custom_signature_key=two)


def _export_keras(root: Path, *layers: Any) -> None:
    model = tf.keras.Sequential([tf.keras.Input([1], name="x"), *layers])
    archive = tf.keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec([None, 1], tf.float32, "x")]
    archive.add_endpoint("serving_default", lambda x: {"y": model(x)}, input_signature=signature)
    archive.write_out(str(root / "00000123"), verbose=False)


def write_keras_sequential(root: Path) -> None:
    """A Keras model that gives back its input."""
    _export_keras(root, tf.keras.layers.Lambda(lambda x: x, name="y"))


def write_keras_distributed(root: Path) -> None:
    """A Keras model with a dense layer of ones, made under a strategy with a replica on each of two devices."""
    strategy = tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])
    with strategy.scope():
        _export_keras(root, tf.keras.layers.Dense(1, kernel_initializer="ones", name="y"))


def write_tflite(root: Path) -> None:
    """TensorFlow Lite without a signature: tensors x and y, y = x / 2 + 2."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [1], name="x")
        y = tf.add(x * 0.5, 2, name="y")
        converted = v1.lite.TFLiteConverter.from_session(session, [x], [y]).convert()
    _write_lite(root, converted)


def write_tflite_with_signature(root: Path) -> None:
    """TensorFlow Lite with the signature of a function: y = x / 2 + 2, any number of rows."""
    _write_lite(root, _convert(lambda x: {"y": x * 0.5 + 2}, x=([None], "float32")))


def write_tflite_with_metadata(root: Path) -> None:
    """TensorFlow Lite as the real server's test suite has it: a SignatureDef in the metadata names tflite_input x."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [1, 1], name="tflite_input")
        y = tf.add(x * 0.5, 2, name="tflite_output")
        converted = v1.lite.TFLiteConverter.from_session(session, [x], [y]).convert()
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.signature_def_utils.build_signature_def(
            {"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict"
        )
    _write_lite(root, _with_metadata(converted, serving=signature))


def _with_metadata(model: bytes, **signatures: Any) -> bytes:
    """Add SignatureDefs to a TensorFlow Lite model the way ``set_signature_defs`` of TensorFlow does."""
    map_builder = flexbuffers.Builder()
    with map_builder.Map():
        for name, signature in signatures.items():
            map_builder.Key(name)
            map_builder.String(signature.SerializeToString().decode("ascii"))
    changed = lite_schema.ModelT.InitFromPackedBuf(model, 0)
    entry, buffer = lite_schema.MetadataT(), lite_schema.BufferT()
    entry.name, entry.buffer, buffer.data = "signature_defs_metadata", len(changed.buffers), map_builder.Finish()
    changed.metadata.append(entry)
    changed.buffers.append(buffer)
    builder = flatbuffers.Builder(1024)
    builder.Finish(changed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def write_tflite_dense(root: Path) -> None:
    """TensorFlow Lite: y = the sum of three numbers, twice, for any number of rows; a saved_model.pb that is none."""
    _write_lite(root, _convert(lambda x: {"y": tf.matmul(x, tf.ones([3, 2]))}, x=([None, 3], "float32")))
    (root / "00000123" / "saved_model.pb").write_bytes(b"not a SavedModel")


def write_tflite_strings(root: Path) -> None:
    """TensorFlow Lite: the words of the positions."""
    call = {"word": ([None], "string"), "position": ([None], "int32")}
    _write_lite(root, _convert(lambda word, position: {"chosen": tf.gather(word, position)}, **call))


def _convert(call: Callable[..., Any], **specs: Any) -> bytes:
    function = _function(call, **specs)
    module = tf.Module()
    module.serving = function
    converted: bytes = tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()
    return converted


def write_tflite_two(root: Path) -> None:
    """TensorFlow Lite with two signatures, each a graph of its own: double, triple."""
    _save(root / "saved", **{name: _linear(factor, 0) for name, factor in (("double", 2), ("triple", 3))})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(root / "saved"), signature_keys=["double", "triple"])
    _write_lite(root, converter.convert())
    shutil.rmtree(root / "saved")


def _write_lite(root: Path, content: bytes) -> None:
    directory = root / "00000123"
    directory.mkdir(parents=True)
    (directory / "model.tflite").write_bytes(content)


def write_text(root: Path) -> None:
    """Operations of tensorflow-text: y = x + the number of words in "hello"; nothing where it is not installed."""
    if find_spec("tensorflow_text") is None:
        return
    import tensorflow_text  # type: ignore[import-untyped]

    def add_words(x: Any) -> Any:
        words = tensorflow_text.WhitespaceTokenizer().tokenize(["hello"]).flat_values
        return {"y": x + tf.cast(tf.size(words), tf.float32)}

    _save(root / "00000123", serving_default=_function(add_words, x=([None], "float32")))


WRITERS = (
    *(write_text, write_tflite, write_tflite_with_signature, write_tflite_with_metadata),
    *(write_tflite_dense, write_tflite_strings, write_tflite_two),
    *(write_half_plus_two, write_plus_two, write_half_plus_two_tf2, write_half_plus_three),
    *(write_signatures, write_echo, write_tables, write_slow),
    *(write_keras, write_keras_sequential, write_keras_distributed, write_saved_checkpoint, write_two_functions),
)


def main(directory: Path) -> None:
    """Write every kind."""
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    for write in WRITERS:
        write(directory / write.__name__.removeprefix("write_"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
