"""``model-service package build`` from Keras files. Keras runs in one child, for all tests together."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model_service.backend.local import local_model_server
from model_service.client import Client
from model_service.client.local import serve_package
from model_service.tfs.signature import Signature, read_saved_model_signature
from model_training.completion import TEMPLATE

_CHILD = """
import contextlib, io, json, pathlib, sys, warnings
from model_packaging.cli import main
folder, config = pathlib.Path(sys.argv[1]), sys.argv[2]
import keras, numpy, tensorflow
layers = keras.layers

class Own(layers.Layer):
    def call(self, x):
        return x

left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right side")
both = layers.Concatenate()([left, right])
word = keras.Input((1,), dtype="string")
picture = keras.Input((4, 4))
plain = keras.Input((3,))
models = {
    "sequential": keras.Sequential([keras.Input((5,)), layers.Dense(2, activation="softmax", name="last")]),
    "several": keras.Model([left, right], [layers.Dense(1, name="sum")(both), layers.Dense(2, name="gap")(both)]),
    "lookup": keras.Model(word, layers.StringLookup(vocabulary=["x", "y"], output_mode="multi_hot")(word)),
    "words": keras.Model(word, layers.Dense(2)(layers.StringLookup(vocabulary=["x"], output_mode="multi_hot")(word))),
    "own": keras.Model(plain, Own()(plain)),
    "unbuilt": keras.Sequential([layers.Dense(2)]),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
    models["sequential"].save(folder / "sequential.h5")
(folder / "broken.keras").write_text("x")
(folder / "broken.h5").write_text("x")

def build(name, target, *flags):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        paths = ["--model", str(folder / name), "--config", config, "--output", str(folder / target)]
        status = main(["build", "--no-check", *paths, *flags])
    return {"status": status, "said": said.getvalue()}

def answers(name, target, inputs):
    call = tensorflow.saved_model.load(folder / target / "model").signatures["serving_default"]
    (served,) = call(**inputs).values()
    (given,) = inputs.values()
    return [numpy.asarray(served).tolist(), numpy.asarray(keras.models.load_model(folder / name)(given)).tolist()]

names = ["--input-name", "images", "--output-name", "scores"]
rows = tensorflow.constant([[1.0, 2, 3, 4, 5], [0, 0, 1, 0, 0]])
from model_packaging.errors import BuildRefused
from model_training.export import export_package
pictures = keras.Sequential([keras.Input((12, 16, 3)), layers.Flatten(), layers.Dense(3, activation="softmax")])
brightness = numpy.full((2, 12, 16, 3), 200, numpy.uint8)

def export(target, **flags):
    try:
        report = export_package(pictures, folder / target, **flags)
    except BuildRefused as error:
        return str(error)
    return None if report is None else [each.code for each in report.findings]

names_in = {"input_name": "photo", "output_name": "scores"}
results = {
    "export": export("memory", labels=["a", "b", "c"], sample=brightness, metrics={"accuracy": 0.5}, **names_in),
    "export, few labels": export("memory2", labels=["a", "b"], **names_in),
    "export, wrong sample": export("memory3", sample={"x": brightness}, **names_in),
    "export, bad metrics": export("memory4", metrics={"accuracy": "high"}),
    "photo": pictures(brightness).numpy().tolist(),
    "keras": build("sequential.keras", "out1", *names),
    "h5": build("sequential.h5", "out2", *names),
    "own names": build("sequential.keras", "out3"),
    "several": build("several.keras", "out4"),
    "several, one name": build("several.keras", "out5", "--input-name", "images"),
    "several, one output": build("several.keras", "out6", "--output-name", "scores"),
    "lookup": build("lookup.keras", "out7", "--input-name", "word"),
    "words": build("words.keras", "out13", "--input-name", "word"),
    "odd name": build("sequential.keras", "out8", "--input-name", "my input"),
    "own": build("own.keras", "out9"),
    "unbuilt": build("unbuilt.keras", "out10"),
    "broken": build("broken.keras", "out11"),
    "broken h5": build("broken.h5", "out12"),
    "answers": {
        "keras": answers("sequential.keras", "out1", {"images": rows}),
        "h5": answers("sequential.h5", "out2", {"images": rows}),
        "words": answers("words.keras", "out13", {"word": tensorflow.constant([["y"], ["x"]])}),
        "lookup": answers("lookup.keras", "out7", {"word": tensorflow.constant([["y"], ["z"]])}),
    },
}
(folder / "results.json").write_text(json.dumps(results))
"""


@dataclass(frozen=True)
class Built:
    """What the child did: the folder with its outputs, and a result for each build."""

    folder: Path
    results: dict[str, Any]

    def signature(self, target: str) -> Signature:
        return read_saved_model_signature(self.folder / target / "model")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("keras")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(folder), str(TEMPLATE / "config.json")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return Built(folder, json.loads((folder / "results.json").read_text()))


def described(signature: Signature) -> tuple[list[str], list[str]]:
    return [str(spec) for spec in signature.inputs.values()], [str(spec) for spec in signature.outputs.values()]


@pytest.mark.parametrize(("name", "target"), [("keras", "out1"), ("h5", "out2")])
def test_a_keras_file_becomes_a_package(built: Built, name: str, target: str) -> None:
    assert built.results[name]["status"] == 0, built.results[name]["said"]
    assert built.signature(target).name == "serving_default"
    assert described(built.signature(target)) == (["images: float32 [?, 5]"], ["scores: float32 [?, 2]"])
    assert {path.name for path in (built.folder / target / "model").iterdir()} >= {
        "saved_model.pb",
        "variables",
        "config.json",
    }
    served, expected = built.results["answers"][name]
    assert served == [pytest.approx(row, rel=1e-5) for row in expected]


@pytest.mark.parametrize(
    ("name", "target", "inputs"),
    [("keras", "out1", {"images": [[1.0, 2, 3, 4, 5], [0, 0, 1, 0, 0]]}), ("words", "out13", {"word": [["y"], ["x"]]})],
)
def test_a_model_server_answers_as_keras_does(
    built: Built, name: str, target: str, inputs: dict[str, list[list[object]]]
) -> None:
    """Model servers restore variables in their own way; that TensorFlow can load the model says nothing of it."""
    with local_model_server(built.folder / target / "model") as server:
        (served,) = server.predict(inputs, built.signature(target)).values()
    _, expected = built.results["answers"][name]
    assert served.tolist() == [pytest.approx(row, rel=1e-5) for row in expected]


def test_without_names_keras_own_are_used(built: Built) -> None:
    inputs, outputs = described(built.signature("out3"))
    assert [text.split(": ")[1] for text in inputs] == ["float32 [?, 5]"]
    assert outputs == ["last: float32 [?, 2]"]


def test_several_inputs_and_outputs_keep_their_names(built: Built) -> None:
    assert described(built.signature("out4")) == (
        ["left: float32 [?, 3]", "right_side: float32 [?, 2]"],
        ["gap: float32 [?, 2]", "sum: float32 [?, 1]"],
    )


def test_lookup_tables_survive(built: Built) -> None:
    assert built.results["lookup"]["status"] == 0, built.results["lookup"]["said"]
    assert described(built.signature("out7"))[0] == ["word: string [?, 1]"]
    served, expected = built.results["answers"]["lookup"]
    assert served == expected == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("name", "target", "told"),
    [
        ("several, one name", "out5", "has 2 inputs (left, right side); --input-name is for models with one"),
        ("several, one output", "out6", "has 2 outputs (sum, gap); --output-name is for models with one"),
        ("odd name", "out8", "--input-name my input: must be a letter"),
        ("own", "out9", "Could not locate class 'Own'"),
        ("unbuilt", "out10", "its inputs are unknown"),
        ("broken", "out11", "broken.keras: is no Keras file"),
        ("broken h5", "out12", "broken.h5: Keras cannot load it"),
    ],
)
def test_what_cannot_be_exported_is_refused(built: Built, name: str, target: str, told: str) -> None:
    result = built.results[name]
    assert result["status"] == 2
    assert told in result["said"]
    assert "Traceback" not in result["said"]
    assert not (built.folder / target).exists()
    assert not list(built.folder.glob(".out*"))


def test_a_model_in_memory_becomes_a_package(built: Built) -> None:
    assert built.results["export"] == []  # nothing to find
    config = json.loads((built.folder / "memory" / "model" / "config.json").read_text())
    assert config["metrics"] == {"accuracy": 0.5}
    assert config["tensors"] == {"photo": {"minimum": 0.0, "maximum": 255.0}}
    picture = io.BytesIO()
    Image.new("RGB", (16, 12), (200, 200, 200)).save(picture, "PNG")
    with serve_package(built.folder / "memory") as service, Client(service.url) as client:
        scores = dict(client.predict(files={"photo": picture.getvalue()})["scores"])
    assert [scores[label] for label in "abc"] == pytest.approx(built.results["photo"][0], abs=1e-5)


@pytest.mark.parametrize(
    ("name", "target", "told"),
    [
        ("export, few labels", "memory2", "2 labels are given, but no outputs of the model are [N, 2] numbers"),
        ("export, wrong sample", "memory3", "the sample is for x; the model takes photo"),
        ("export, bad metrics", "memory4", "metrics: accuracy is 'high', not a number"),
    ],
)
def test_what_does_not_go_with_a_model_in_memory_is_refused(built: Built, name: str, target: str, told: str) -> None:
    assert told in built.results[name]
    assert not (built.folder / target).exists()
    assert not list(built.folder.glob(".memory*"))


def test_a_keras_backend_from_the_environment_does_not_matter() -> None:
    program = (
        "import os; from model_packaging.keras_export import _environment\n"
        "with _environment(KERAS_BACKEND='tensorflow', OTHER='x'):\n"
        "    print(os.environ['KERAS_BACKEND'])\n"
        "print(os.environ['KERAS_BACKEND'], 'OTHER' in os.environ)"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment)
    assert done.stdout.split() == ["tensorflow", "jax", "False"]
