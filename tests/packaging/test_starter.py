"""What is written for a bare SavedModel: the plan made of a signature, the service, and the contract, which is held."""

from __future__ import annotations

import ast
import io
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model_packaging.cli import main
from model_packaging.errors import BuildRefused
from model_packaging.rules import check_config
from model_packaging.starter.complete import Knowledge, add_missing_parts, read_labels
from model_packaging.starter.plan import find_picture_input, find_scores, has_rows, rows_property
from model_packaging.starter.render import render
from model_packaging.starter.sample import read_sample
from model_service.client import Client, PredictionFailed
from model_service.client.local import serve_package
from model_service.tfs.dtypes import BY_NAME
from model_service.tfs.signature import Signature, TensorSpec

SavedModels = Callable[[str], Path]


def signature(*inputs: tuple[str, str, tuple[int | None, ...] | None]) -> Signature:
    specs = {name: TensorSpec(name, BY_NAME[kind], shape) for name, kind, shape in inputs}
    outputs = {
        "scores": TensorSpec("scores", BY_NAME["float32"], (None, 3)),
        "embedding": TensorSpec("embedding", BY_NAME["float32"], (None, 64)),
    }
    return Signature("serving_default", specs, outputs)


@pytest.mark.parametrize(
    ("name", "kind", "shape", "expected"),
    [
        ("x", "float32", (None, 32, 48, 3), (32, 48, 3, (32, 48, 3), 0)),
        ("x", "uint8", (1, 32, 32, 1), (32, 32, 1, (32, 32, 1), 1)),
        ("x", "float32", (None, None, None, 3), (224, 224, 3, (224, 224, 3), 0)),
        ("photo", "float32", (None, 28, 28), (28, 28, 1, (28, 28), 0)),
        ("images", "float32", (None, 784), (28, 28, 1, (784,), 0)),
    ],
)
def test_pictures_are_told_from_the_signature(
    name: str, kind: str, shape: tuple[int | None, ...], expected: tuple[Any, ...]
) -> None:
    found = find_picture_input(signature((name, kind, shape)))
    assert found is not None
    assert (found.height, found.width, found.channels, found.row_shape, found.most_pictures) == expected


@pytest.mark.parametrize(
    "inputs",
    [
        [("features", "float32", (None, 784))],  # a square, but nothing says that it is a picture
        [("images", "float32", (None, 785))],
        [("images", "float32", (None, 4))],
        [("x", "float32", (None, 28, 28))],
        [("x", "float32", (8, 32, 32, 3))],
        [("images", "int64", (None, 32, 32, 3))],
        [("images", "string", (None,))],
        [("x", "float32", None)],
        [("x", "float32", ())],
        [("images", "float32", (None, 32, 32, 3)), ("flag", "bool", (None,))],
    ],
)
def test_what_may_be_something_else_is_no_picture(inputs: list[tuple[str, str, tuple[int | None, ...] | None]]) -> None:
    assert find_picture_input(signature(*inputs)) is None


def test_rows_and_scores_are_told_from_the_signature() -> None:
    assert has_rows(signature(("a", "float32", (None, 2)), ("b", "int32", (None,))))
    assert not has_rows(signature(("a", "float32", (None, 2)), ("b", "int32", ())))
    assert rows_property(signature(("a", "float32", (None, 2)), ("b", "int32", (None,)))) == "instances"
    assert rows_property(signature(("a", "float32", (None, 2)))) == ""
    assert rows_property(signature(("a", "float32", (None, 2)), ("b", "int32", ()))) == ""
    assert find_scores(signature(("a", "float32", ())), 3).name == "scores"
    with pytest.raises(BuildRefused, match=r"4 labels are given, but no outputs .* scores: float32 \[\?, 3\]"):
        find_scores(signature(("a", "float32", ())), 4)


def test_no_name_can_become_code() -> None:
    evil = 'x"; import os; os.system("true")\n# '
    text = render("tensor_service.py", {"INPUTS": {evil: ("float32", None)}, "ROWS": "rows"})
    values = {
        node.target.id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }
    assert values["INPUTS"] == {evil: ("float32", None)}
    assert "\nROWS = 'rows'  # the property" in text
    with pytest.raises(ValueError, match="0 constants called NOWHERE"):
        render("tensor_service.py", {"NOWHERE": 1})


def build(model: Path, output: Path, *flags: str) -> dict[str, Any]:
    assert main(["build", "--model", str(model), "--output", str(output), "--no-check", *flags]) == 0
    config: dict[str, Any] = json.loads((output / "model" / "config.json").read_text())
    assert check_config(config) == []
    assert config["validation"] == {"request": "strict", "response": "strict"}
    return config


def png(mode: str = "L", size: tuple[int, int] = (28, 28), color: Any = 0) -> bytes:
    content = io.BytesIO()
    Image.new(mode, size, color).save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def digits(saved_model: SavedModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A picture model with labels."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "labels.txt").write_text("".join(f"number {digit}\n" for digit in range(10)))
    config = build(saved_model("digits"), folder / "out", "--labels", str(folder / "labels.txt"))
    assert config["model_algorithm"] == "image_classification"
    with serve_package(folder / "out") as service, Client(service.url) as client:
        yield client


@pytest.mark.parametrize(
    "picture",
    [
        png(),
        png("RGB", (200, 10)),
        png("RGBA", (3, 3), (255, 0, 0, 0)),
        png("LA", (3, 3)),
        png("P", (64, 64)),
        png("1", (64, 64)),
        png("I;16", (30, 30), 40000),
    ],
    ids=["grey", "RGB", "transparent", "grey with alpha", "palette", "1 bit", "16 bit"],
)
def test_a_classifier_takes_any_picture(digits: Client, picture: bytes) -> None:
    answer = digits.predict(files={"images": picture})
    assert sorted(label for label, _ in answer["scores"]) == [f"number {digit}" for digit in range(10)]
    assert answer["predicted_label"] == answer["scores"][0][0]
    assert [score for _, score in answer["scores"]] == sorted((score for _, score in answer["scores"]), reverse=True)


def test_a_classifier_refuses_what_it_cannot_answer(digits: Client) -> None:
    with pytest.raises(PredictionFailed, match="send one picture in a request, not 2"):
        digits.predict(files={"images": [("a.png", png()), ("b.png", png())]})
    with pytest.raises(PredictionFailed, match="400"):
        digits.predict(files={"images": ("a.png", b"no picture")})


def test_depth_and_mode_do_not_change_the_values(digits: Client) -> None:
    grey = digits.predict(files={"images": png("L", color=200)})
    assert digits.predict(files={"images": png("RGB", color=(200, 200, 200))}) == grey
    assert digits.predict(files={"images": png("I;16", color=200 * 257)}) == grey


def test_pictures_without_labels_answer_the_outputs(saved_model: SavedModels, tmp_path: Path) -> None:
    config = build(saved_model("pictures"), tmp_path / "out")
    properties = config["apis"][0]["response"]["data"]["properties"]
    assert properties["sums"]["items"] == {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "number"}}
    with serve_package(tmp_path / "out") as service, Client(service.url) as client:
        white, black = (png("RGB", (9, 5), color) for color in ("white", "black"))
        answer = client.predict(files={"images": [("a.png", white), ("b.png", black)]})
    assert answer == {"sums": [[224 * 224] * 3, [0, 0, 0]], "shape": [2, 224, 224, 3]}


def test_tensors_travel_as_json(saved_model: SavedModels, tmp_path: Path) -> None:
    config = build(saved_model("mixed"), tmp_path / "out")
    assert config["model_algorithm"] == "predict_analysis"
    rows = config["apis"][0]["request"]["data"]["properties"]["instances"]
    assert rows["items"]["properties"]["byte"]["maximum"] == 255
    assert rows["items"]["required"] == ["brain", "byte", "flag", "tiny", "wide"]
    asked: dict[str, list[Any]] = {
        "wide": [2**62, -1],
        "flag": [True, False],
        "tiny": [0.5, 2],
        "brain": [0.25, 1],
        "byte": [255, 0],
    }
    first, second = ({name: values[row] for name, values in asked.items()} for row in (0, 1))
    with serve_package(tmp_path / "out") as service, Client(service.url) as client:
        assert client.predict({"instances": [first, second]}) == {f"{name}_out": asked[name] for name in asked}
        for wrong, told in (
            ([first, {**second, "byte": 256}], "/instances/1/byte"),
            ([first, {"byte": 1}], "/instances/1"),
            ([{**first, "tiny": 1e6}], "too large for float16"),
            ([], "/instances"),
        ):
            with pytest.raises(PredictionFailed, match=told) as caught:
                client.predict({"instances": wrong})
            assert caught.value.status == 400


def test_text_travels_as_json(saved_model: SavedModels, tmp_path: Path) -> None:
    build(saved_model("strings"), tmp_path / "strings")
    with serve_package(tmp_path / "strings") as service, Client(service.url) as client:
        assert client.predict({"text": ["a", "é"]})["upper"][0] == "A"


def test_a_scalar_is_no_array(saved_model: SavedModels, tmp_path: Path) -> None:
    config = build(saved_model("scalar"), tmp_path / "scalar")
    for side, name in (("request", "x"), ("response", "y")):
        assert config["apis"][0][side]["data"]["properties"][name]["type"] == "number"


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (b"a\nb\n", "2 labels are given, but no outputs"),
        (b"a\n\nb\n", "label 2 is ''"),
        (b"a\na\n", "'a' is there twice"),
        (b"\xff", "is not UTF-8 (byte 0)"),
        (None, "cannot be read"),
    ],
)
def test_wrong_labels_are_refused(
    saved_model: SavedModels, tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: bytes | None, told: str
) -> None:
    if labels is not None:
        (tmp_path / "labels.txt").write_bytes(labels)
    flags = ["--labels", str(tmp_path / "labels.txt"), "--output", str(tmp_path / "out")]
    assert main(["build", "--model", str(saved_model("digits")), *flags]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_labels_go_with_pictures_only(
    saved_model: SavedModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\n")
    flags = ["--labels", str(tmp_path / "labels.txt"), "--output", str(tmp_path / "out")]
    assert main(["build", "--model", str(saved_model("half_plus_two")), *flags]) == 2
    assert "does not take one picture; it takes: x: float32 [?, 1]" in capsys.readouterr().err


def test_a_byte_order_mark_is_no_part_of_a_label(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes("\ufeffcat\r\ndog\r\n".encode())
    assert read_labels(tmp_path / "labels.txt") == ("cat", "dog")


@pytest.mark.parametrize(
    ("labels", "told"), [(["a\n", *"bcdefghij"], "label 1 is 'a\\n'"), (range(10), "label 1 is 0; a label is one line")]
)
def test_labels_of_another_kind_are_refused(
    saved_model: SavedModels, tmp_path: Path, labels: Sequence[Any], told: str
) -> None:
    model = Path(shutil.copytree(saved_model("digits"), tmp_path / "model"))
    before = sorted(model.rglob("*"))
    with pytest.raises(BuildRefused, match=re.escape(told)):
        add_missing_parts(model, Knowledge(labels=labels))
    assert sorted(model.rglob("*")) == before


@pytest.mark.parametrize("labels", ["0123456789", ["\ud800", *"bcdefghij"]], ids=["a file is in the way", "no text"])
def test_all_parts_are_written_or_none(saved_model: SavedModels, tmp_path: Path, labels: Sequence[str]) -> None:
    """Completed in place; what is there already is the user's."""
    model = Path(shutil.copytree(saved_model("digits"), tmp_path / "model"))
    (model / "labels.txt").write_text("my own\n")
    before = sorted(model.rglob("*"))
    with pytest.raises(BuildRefused, match=r"labels\.txt: (is there already|'\\ud800' is no character)"):
        add_missing_parts(model, Knowledge(labels=labels))
    assert sorted(model.rglob("*")) == before
    assert (model / "labels.txt").read_text() == "my own\n"


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ("text", "must hold at least one row of numbers"),
        ([], "must hold at least one row of numbers"),
        ([[1.0, 2.0]], r"has the shape \[1, 2\]; the model takes x: float32 \[\?, 3\]"),
        ([[1.0, 2.0, math.nan]], "holds a value that is no finite number"),
        ([[1.0], [2.0, 3.0]], "is no array"),
    ],
)
def test_a_sample_that_the_model_does_not_take_is_refused(sample: object, told: str) -> None:
    with pytest.raises(BuildRefused, match=f"the sample for x {told}"):
        read_sample(signature(("x", "float32", (None, 3))), sample)
