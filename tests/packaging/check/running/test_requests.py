"""The requests a check makes of a schema and a signature, and those it takes from the user."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft7Validator
from PIL import Image

from model_packaging.check.running.pictures import PictureKind, PictureSize, base_picture, varied_pictures, wanted_size
from model_packaging.check.running.requests import Purpose, plan_requests
from model_packaging.check.running.samples import read_samples
from model_packaging.check.running.schema_values import CannotMake, ValueMaker
from model_packaging.check.subject import Subject, read_subject
from model_service.errors import SettingsError
from model_service.package.schema import to_draft7
from model_service.tfs.signature import read_saved_model_signature
from tests.conftest import TESTS_FOLDER, SavedModels

SCHEMAS: dict[str, tuple[dict[str, Any], Any]] = {
    "least number": ({"type": "number", "minimum": 3}, 3),
    "exclusive as in draft 4": ({"type": "integer", "minimum": 3, "exclusiveMinimum": True}, 4),
    "multiple": ({"type": "integer", "multipleOf": 5}, 5),
    "largest": ({"type": "number", "maximum": -2}, -2),
    "default first": ({"type": "string", "default": "left", "enum": ["right", "left"]}, "left"),
    "example": ({"type": "string", "examples": ["Ada"]}, "Ada"),
    "enum": ({"enum": ["a", "b"]}, "a"),
    "items as a tuple": ({"type": "array", "items": [{"type": "integer"}, {"const": "x"}]}, [1, "x"]),
    "least items": ({"type": "array", "minItems": 3, "items": {"type": "boolean"}}, [True, True, True]),
    "reference": (
        {"definitions": {"n": {"type": "integer"}}, "type": "object", "properties": {"a": {"$ref": "#/definitions/n"}}},
        {"a": 1},
    ),
    "all of": (
        {"allOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}, {"properties": {"b": {"const": 2}}}]},
        {"a": 1, "b": 2},
    ),
    "first of": ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
    "first type": ({"type": ["integer", "string"]}, 1),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_plain_values(name: str) -> None:
    schema = to_draft7(SCHEMAS[name][0])
    value = ValueMaker(schema).plain(schema).value
    assert value == SCHEMAS[name][1]
    assert Draft7Validator(schema).is_valid(value)


def test_texts_that_nobody_named_are_known() -> None:
    schema = to_draft7(
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 20}, "b": {"enum": ["x"]}}}
    )
    made = ValueMaker(schema).plain(schema)
    assert made.invented == {made.value["a"]}
    assert len(made.value["a"]) == 20


@pytest.mark.parametrize(
    "schema", [{"type": "file"}, {"type": "string", "pattern": "^a+$"}, {"items": {"$ref": "#"}, "minItems": 1}]
)
def test_what_cannot_be_made(schema: dict[str, Any]) -> None:
    translated = to_draft7(schema)
    with pytest.raises(CannotMake):
        ValueMaker(translated).plain(translated)


def test_borders() -> None:
    schema = to_draft7(
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "minimum": 0, "maximum": 9},
                "side": {"enum": ["left", "right"]},
                "names": {"type": "array", "items": {"type": "string", "maxLength": 5}},
                "either": {"type": ["string", "null"]},
            },
            "required": ["n"],
        }
    )
    titles = {title: made.value for title, made in ValueMaker(schema).borders(schema)}
    assert {value["n"] for value in titles.values()} == {0, 1, 9}
    assert "side" not in titles["without /side"]
    assert titles["/side = 'right'"]["side"] == "right"
    assert titles["/names empty"]["names"] == []
    assert len(titles["/names with two items"]["names"]) == 2
    assert len(titles["/names/0 at its maxLength 5"]["names"][0]) == 5
    assert titles["/either as null"]["either"] is None
    assert all(Draft7Validator(schema).is_valid(value) for value in titles.values())


@pytest.mark.parametrize(
    ("model", "size"),
    [("digits", PictureSize(28, 28, 1, True)), ("pictures", PictureSize(64, 64, 3, False))],
)
def test_size_of_pictures(saved_model: SavedModels, model: str, size: PictureSize) -> None:
    assert wanted_size(read_saved_model_signature(saved_model(model))) == size


def test_pictures_are_what_they_are_called() -> None:
    pictures = varied_pictures(PictureSize(28, 28, 1, True))
    modes = {}
    for picture in pictures:
        if picture.kind is PictureKind.BAD:
            with pytest.raises((OSError, SyntaxError)):
                Image.open(io.BytesIO(picture.content)).load()
        else:
            image = Image.open(io.BytesIO(picture.content))
            modes[picture.title] = (image.format, image.mode, image.size)
    assert modes["RGBA PNG of 28x28"] == ("PNG", "RGBA", (28, 28))
    assert modes["1-bit PNG of 28x28"] == ("PNG", "1", (28, 28))
    assert modes["16-bit grey PNG of 28x28"][1].startswith("I")
    assert modes["CMYK JPEG of 28x28"] == ("JPEG", "CMYK", (28, 28))
    assert modes["grey PNG of 4000x3000"] == ("PNG", "L", (4000, 3000))
    assert {picture.title for picture in pictures if picture.kind is PictureKind.BAD} == {
        "cut-off PNG",
        "damaged PNG",
        "text file",
        "empty file",
    }
    assert max(len(picture.content) for picture in pictures) < 1 << 20


def test_turned_picture_shows_the_base_when_turned_back() -> None:
    from PIL import ImageOps

    size = PictureSize(40, 40, 1, True)
    turned = next(each for each in varied_pictures(size) if each.kind is PictureKind.TURNED)
    back = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(turned.content))), dtype=float)
    base = np.asarray(Image.open(io.BytesIO(base_picture(size).content)), dtype=float)
    assert np.corrcoef(back.ravel(), base.ravel())[0, 1] > 0.95
    assert turned.values is not None
    assert np.corrcoef(turned.values.ravel(), base.ravel())[0, 1] < 0.5


def subject_of(folder: Path, schema: dict[str, Any]) -> Subject:
    (folder / "model").mkdir()
    (folder / "model" / "customize_service.py").write_text("from PIL import Image\n")
    config = {"apis": [{"request": {"data": schema}}]}
    (folder / "model" / "config.json").write_text(json.dumps(config))
    return read_subject(folder)


def test_form_with_text_fields(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"picture": {"type": "file"}, "threshold": {"type": "number", "minimum": 0.25}},
        "required": ["picture"],
    }
    plan = plan_requests(subject_of(tmp_path, schema))
    (base,) = plan.base
    assert [(part.field, part.file_name is None) for part in base.body.parts] == [
        ("picture", False),
        ("threshold", True),
    ]
    assert base.body.parts[1].content == b"0.5"
    (absent,) = [each for each in plan.others if each.purpose is Purpose.ABSENT]
    assert [part.field for part in absent.body.parts] == ["picture"]


def test_samples(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "file"}, "b": {"type": "file"}}}
    subject = subject_of(tmp_path, schema)
    picture = tmp_path / "p.png"
    picture.write_bytes(b"content")
    with pytest.raises(SettingsError, match=r"--sample NAME=FILE"):
        read_samples((str(picture),), subject)
    (request,) = read_samples((f"b={picture}",), subject)
    assert [(part.field, part.file_name, part.content) for part in request.body.parts] == [("b", "p.png", b"content")]
    body = tmp_path / "body.json"
    body.write_text("[1, 2]")
    values = [each.body.value for each in read_samples(('{"x": 1}', str(body)), subject)]
    assert values == [{"x": 1}, [1, 2]]
    for bad, words in (("{", "not JSON"), ("nowhere.png", "no such file")):
        with pytest.raises(SettingsError, match=words):
            read_samples((bad,), subject)


def test_folder_of_samples(tmp_path: Path) -> None:
    subject = read_subject(TESTS_FOLDER / "packages" / "running" / "good_digits")
    with pytest.raises(SettingsError, match="holds no file"):
        read_samples((str(tmp_path),), subject)
    for name in ("1.png", "0.png"):
        (tmp_path / name).write_bytes(name.encode())
    assert [each.title for each in read_samples((str(tmp_path),), subject)] == ["the sample 0.png", "the sample 1.png"]
