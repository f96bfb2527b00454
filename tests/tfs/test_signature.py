"""Which signature is called: the only real one, else ``serving_default``, else the model is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model_service.tfs.dtypes import BY_NAME
from model_service.tfs.protos import meta_graph_pb2, saved_model_pb2
from model_service.tfs.signature import (
    SignatureError,
    TensorSpec,
    choose_signature,
    read_saved_model_signature,
)
from tests.conftest import SavedModels

PSEUDO = ["__saved_model_init_op", "__saved_model_train_op"]


def definition(number: int = 1, shape: tuple[int, ...] | None = (-1, 784)) -> Any:
    made = meta_graph_pb2.SignatureDef()
    for tensors, name in ((made.inputs, "images"), (made.outputs, "scores")):
        info = tensors[name]
        info.dtype = number
        if shape is None:
            info.tensor_shape.unknown_rank = True
        for size in shape or ():
            info.tensor_shape.dim.add().size = size
    return made


def write(folder: Path, *graphs: tuple[list[str], list[str]]) -> Path:
    """A saved_model.pb with these graphs: tags, names of signatures."""
    saved_model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    for tags, names in graphs:
        graph = saved_model.meta_graphs.add()
        graph.meta_info_def.tags.extend(tags)
        for name in names:
            graph.signature_def[name].CopyFrom(definition())
    (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    return folder


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["predict_images"], "predict_images"),
        (["serving_default"], "serving_default"),
        (["predict_images", *PSEUDO], "predict_images"),
        (["serving_default", *PSEUDO], "serving_default"),
        (["other", "serving_default"], "serving_default"),
        (["a", "b", "serving_default", *PSEUDO], "serving_default"),
    ],
    ids=lambda part: "+".join(part) if isinstance(part, list) else "",
)
def test_the_only_real_one_else_the_default(names: list[str], chosen: str) -> None:
    assert choose_signature({name: definition() for name in names}, "here").name == chosen


def test_two_and_no_default_are_refused_with_a_list_of_both() -> None:
    with pytest.raises(SignatureError) as caught:
        choose_signature({"b": definition(), "a": definition(), PSEUDO[0]: definition()}, "model.pb")
    message = str(caught.value)
    assert message.startswith("model.pb: ")
    assert "'serving_default'" in message
    assert message.endswith("It has:\n  a: images -> scores\n  b: images -> scores")


@pytest.mark.parametrize("names", [[], PSEUDO])
def test_none_at_all_is_refused(names: list[str]) -> None:
    with pytest.raises(SignatureError, match=r"It has:\n  none"):
        choose_signature({name: definition() for name in names}, "model.pb")


@pytest.mark.parametrize(
    ("shape", "expected", "text"),
    [
        ((-1, 784), (None, 784), "images: float32 [?, 784]"),
        ((), (), "images: float32 []"),
        (None, None, "images: float32, any shape"),
        ((0, 3), (0, 3), "images: float32 [0, 3]"),
    ],
)
def test_shapes(shape: tuple[int, ...] | None, expected: tuple[int | None, ...] | None, text: str) -> None:
    spec = choose_signature({"a": definition(shape=shape)}, "here").inputs["images"]
    assert spec == TensorSpec("images", BY_NAME["float32"], expected)
    assert str(spec) == text


def test_an_element_type_that_cannot_travel_is_named() -> None:
    with pytest.raises(SignatureError, match=r"'images'.*number 20"):
        choose_signature({"a": definition(number=20)}, "here")


def test_only_the_graph_with_exactly_the_tag_serve_counts(tmp_path: Path) -> None:
    write(tmp_path, (["serve", "gpu"], ["wrong"]), (["train"], ["wrong"]), (["serve"], ["right"]))
    assert read_saved_model_signature(tmp_path).name == "right"


def test_no_graph_with_that_tag(tmp_path: Path) -> None:
    write(tmp_path, (["serve", "gpu"], ["a"]), ([], ["b"]))
    with pytest.raises(SignatureError, match=r"'serve'; it has \[\['gpu', 'serve'\], \[\]\]"):
        read_saved_model_signature(tmp_path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match=r"saved_model\.pb: cannot read the SavedModel: No such file"):
        read_saved_model_signature(tmp_path)


def test_no_saved_model(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(SignatureError, match="not a SavedModel"):
        read_saved_model_signature(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").touch()
    with pytest.raises(SignatureError, match=r"saved_model\.pb: "):
        read_saved_model_signature(tmp_path)


@pytest.mark.parametrize(
    ("kind", "name", "inputs", "outputs"),
    [
        ("digits", "predict_images", ["images: float32 [?, 784]"], ["scores: float32 [?, 10]"]),
        ("half_plus_two", "serving_default", ["x: float32 [?, 1]"], ["y: float32 [?, 1]"]),
        ("two_with_default", "serving_default", ["x: float32 [?]"], ["y: float32 [?]"]),
        ("strings", "serving_default", ["text: string [?]"], ["upper: string [?]"]),
        ("integers", "serving_default", ["x: int32 [?]"], ["y: int32 [?]"]),
        ("scalar", "serving_default", ["x: float32 []"], ["y: float32 []"]),
    ],
)
def test_models_of_tensorflow_2(
    kind: str, name: str, inputs: list[str], outputs: list[str], saved_model: SavedModels
) -> None:
    signature = read_saved_model_signature(saved_model(kind))
    assert signature.name == name
    assert [str(spec) for spec in signature.inputs.values()] == inputs
    assert [str(spec) for spec in signature.outputs.values()] == outputs


def test_a_model_of_tensorflow_2_without_a_default(saved_model: SavedModels) -> None:
    with pytest.raises(SignatureError, match=r"  plus_one: x -> y\n  plus_two: x -> y"):
        read_saved_model_signature(saved_model("two_signatures"))
