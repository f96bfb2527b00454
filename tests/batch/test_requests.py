"""What the hooks get of an item: the same as if it had come by HTTP."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_service.batch.items import BrokenContent, CellsContent, Content, FileContent, Item, RowContent, ValueContent
from model_service.batch.requests import RequestMaker
from model_service.errors import BadRequest, SettingsError
from model_service.inference.images import DEFAULT_MAX_PIXELS
from model_service.inference.pipeline import RequestData
from model_service.package.config import PackageConfig, parse_config, read_config
from model_service.storage import StorageError
from tests.conftest import TESTS_FOLDER

DIGITS = read_config(TESTS_FOLDER / "packages/digits/model/config.json")
DIGIT = TESTS_FOLDER / "data/digit.png"
MAX_BYTES = 1_000_000


def contract(schema: object) -> PackageConfig:
    return parse_config({"apis": [{"request": {"Content-type": "application/json", "data": schema}}]})


def properties(**kinds: str) -> PackageConfig:
    return contract({"type": "object", "properties": {name: {"type": kind} for name, kind in kinds.items()}})


def maker(config: PackageConfig = DIGITS, field: str | None = None, rule: Any = None) -> RequestMaker:
    return RequestMaker(config, field, rule, MAX_BYTES, DEFAULT_MAX_PIXELS)


def request(content: Content, source: str = "in/x", **options: Any) -> RequestData:
    return maker(**options).request(Item(7, source, content))


def row(*values: Any, kind: str = "f4") -> RowContent:
    return RowContent(np.array(values, kind))


def test_a_file_comes_in_the_only_file_field_of_the_contract() -> None:
    made = request(FileContent(str(DIGIT)), "a/b/digit.png")
    ((field, files),) = made.value.items()
    ((name, file),) = files.items()
    assert (field, name, type(file)) == ("images", "digit.png", BytesIO)
    assert file.read() == DIGIT.read_bytes()
    assert made.text_fields == frozenset()


@pytest.mark.parametrize(
    ("config", "field", "expected"),
    [
        (properties(photo="file", threshold="number"), None, "photo"),
        (properties(left="file", right="file"), None, "images"),
        (properties(left="file", right="file"), "right", "right"),
        (properties(rows="array"), None, "images"),
        (PackageConfig(), None, "images"),
        (PackageConfig(), "x", "x"),
        (DIGITS, "photo", "photo"),
    ],
)
def test_the_field_of_a_file(config: PackageConfig, field: str | None, expected: str) -> None:
    assert list(request(FileContent(str(DIGIT)), config=config, field=field).value) == [expected]


def test_the_name_of_a_file_is_that_of_the_source(tmp_path: Path) -> None:
    for source, name in {
        "s3://bucket/a/1.png": "1.png",
        "https://host/1.png?sign=a/b": "1.png",
        "zip://a/1.png::/x.zip": "1.png",
        "../../1.png": "1.png",
        "caf\udce9.png": "caf\udce9.png",
    }.items():
        assert list(request(FileContent(str(DIGIT)), source).value["images"]) == [name]


def test_a_json_file_is_a_request(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text('\ufeff{"rows": [[1, 2]]}')
    assert request(FileContent(str(path)), "a/1.JSON").value == {"rows": [[1, 2]]}
    assert list(request(FileContent(str(path)), "a/1.txt").value["images"]) == ["1.txt"]
    for content in (b"{", b"\xff\xff", b"[" * 100_000, b""):
        path.write_bytes(content)
        with pytest.raises(BadRequest, match=r"^not JSON: "):
            request(FileContent(str(path)), "a/1.json")
    path.write_text("{}")
    with pytest.raises(BadRequest, match=r"^no usable input: {}$"):
        request(FileContent(str(path)), "a/1.json")


def test_a_file_that_is_too_large_or_gone_is_called_as_in_the_input(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    with pytest.raises(StorageError) as caught:
        request(FileContent(str(path)), "a/x.png")
    assert str(caught.value) == "a/x.png: cannot be read: No such file or directory"
    path.write_bytes(bytes(MAX_BYTES + 1))
    with pytest.raises(StorageError) as caught:
        request(FileContent(str(path)), "a/x.png")
    assert str(caught.value) == f"a/x.png: larger than {MAX_BYTES} bytes"
    path.write_bytes(bytes(MAX_BYTES))
    assert request(FileContent(str(path)), "a/x.png").value["images"]["x.png"].getbuffer().nbytes == MAX_BYTES


def test_an_image_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    path = tmp_path / "bomb"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)))
    with pytest.raises(BadRequest, match=r"the image 'bomb.png' announces 60000 x 60000 pixels"):
        request(FileContent(str(path)), "a/bomb.png")


@pytest.mark.parametrize("shape", [(28, 28), (28, 20, 3), (5, 4, 4), (28, 28, 1)])
@pytest.mark.parametrize("config", [DIGITS, PackageConfig()], ids=["file contract", "no contract"])
def test_a_row_of_pixels_becomes_a_picture(config: PackageConfig, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    made = request(RowContent(pixels), "t10k-images-idx3-ubyte#7", config=config)
    ((name, file),) = made.value["images"].items()
    assert name == "t10k-images-idx3-ubyte-7.png"
    with Image.open(file) as picture:
        assert picture.format == "PNG"
        np.testing.assert_array_equal(np.asarray(picture).reshape(shape), pixels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (row([1, 2], [3, 4]), "a row of float32 with shape [2, 2] is no picture"),
        (row(1, 2, 3, kind="u1"), "a row of uint8 with shape [3] is no picture"),
        (row([[1, 2]], kind="u1"), "a row of uint8 with shape [1, 1, 2] is no picture"),
        (row([1], kind="i8"), "--tensors"),
        (RowContent(np.array([1], np.uint8)[0]), "a row of uint8 with shape [] is no picture"),
    ],
)
def test_a_row_that_is_no_picture_for_a_contract_that_wants_one(content: RowContent, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        request(content)
    assert message in str(caught.value)


def test_a_row_for_a_contract_of_values_is_a_list() -> None:
    pixels = row([1, 2], [3, 4], kind="u1")
    assert request(pixels, config=properties(rows="array")).value == {"rows": [[1, 2], [3, 4]]}
    assert request(pixels, config=contract({"type": "array"})).value == [[1, 2], [3, 4]]
    assert request(row(0.5, 2), config=properties(a="array", b="string")).value == [0.5, 2.0]
    scalar = request(RowContent(np.array([0.5])[0]), config=properties(x="number"))
    assert scalar.value == {"x": 0.5}
    assert type(scalar.value["x"]) is float


def test_a_json_value_is_a_request() -> None:
    for value in ({"a": 1}, [1], "x", 1.5, True):
        assert request(ValueContent(value)) == RequestData(value)


@pytest.mark.parametrize("value", [{}, [], None, "", 0, False])
def test_a_json_value_that_online_counts_for_nothing(value: object) -> None:
    with pytest.raises(BadRequest, match=r"^no usable input: "):
        request(ValueContent(value))


def test_a_broken_item_fails_with_its_reason() -> None:
    with pytest.raises(BadRequest) as caught:
        request(BrokenContent("x.jsonl, line 2: not JSON"))
    assert str(caught.value) == "x.jsonl, line 2: not JSON"


def test_a_csv_row_follows_the_rule_else_the_contract_else_is_a_list() -> None:
    cells = CellsContent(("5.1", "3.5", "x"))
    declared = contract(
        {
            "type": "object",
            "properties": {"data": {"type": "array", "items": [{"properties": {"a": {"type": "number", "index": 1}}}]}},
        }
    )
    assert request(cells, config=declared).value == {"data": [{"a": 3.5}]}
    assert request(cells, config=properties(a="string", b="number")).value == {"a": "5.1", "b": 3.5}
    assert request(cells, config=PackageConfig()).value == [5.1, 3.5, "x"]
    rule = {"properties": {"name": {"type": "string", "index": 2}}}
    assert request(cells, config=declared, rule=rule).value == {"name": "x"}


def test_a_schema_that_stands_without_data_is_the_rule_too() -> None:
    """One batch page of the documents writes it so."""
    request_side = {"type": "object", "properties": {"a": {"type": "number", "index": 1}}}
    config = parse_config({"apis": [{"request": request_side}]})
    assert request(CellsContent(("1", "2")), config=config).value == {"a": 2}


def test_a_csv_row_cannot_become_a_file() -> None:
    with pytest.raises(SettingsError, match="at /properties/images: a column of a CSV row cannot become a file"):
        maker().row_mapping()


def test_a_csv_row_of_which_nothing_is_left() -> None:
    rule = {"properties": {"a": {"items": {"type": "number", "index": 0}}}}
    assert request(CellsContent(("1",)), rule=rule).value == {"a": [1]}
    with pytest.raises(BadRequest, match="the row has 0 columns, and the mapping rule asks for index 0"):
        request(CellsContent(()), rule=rule)
