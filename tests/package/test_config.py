"""config.json is read leniently: what cannot be used is named with its place, and nothing is fatal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_service.package.config import (
    MAX_CONFIG_BYTES,
    PackageConfig,
    parse_config,
    read_config,
)
from model_service.package.schema import FILE_MARKER
from tests.conftest import TESTS_FOLDER, MakePackage

NUMBERS = {"type": "array", "items": {"type": "number"}}
PACKAGES = sorted(path.parent.parent.name for path in (TESTS_FOLDER / "packages").glob("*/model/config.json"))


def written(tmp_path: Path, text: str | bytes) -> PackageConfig:
    path = tmp_path / "config.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config(path)


def with_request(data: object, **entry: object) -> dict[str, Any]:
    return {"apis": [{"request": {"Content-type": "application/json", "data": data}, **entry}]}


def nested(depth: int, keyword: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {keyword: {"a": schema} if keyword == "properties" else [schema] if keyword == "anyOf" else schema}
    return schema


# Shapes that are taken


def test_the_usual_entry() -> None:
    config = parse_config(
        {
            "apis": [
                {
                    "protocol": "https",
                    "url": "/",
                    "method": "post",
                    "request": {
                        "Content-type": "multipart/form-data",
                        "data": {"type": "object", "properties": {"images": {"type": "file"}}},
                    },
                    "response": {"Content-type": "application/json", "data": {"type": "object"}},
                }
            ]
        }
    )
    [api] = config.apis
    assert (api.url, api.method) == ("/", "POST")
    assert api.request_schema == {"type": "object", "properties": {"images": {"const": FILE_MARKER}}}
    assert api.response_schema == {"type": "object"}
    assert config.problems == ()
    assert config.has_contract


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "broken_config"])
def test_every_package_of_the_tests_has_a_contract(name: str, make_package: MakePackage) -> None:
    config = read_config(make_package(name) / "model" / "config.json")
    assert config.problems == ()
    assert config.has_contract


def test_the_oddities_of_the_field(make_package: MakePackage) -> None:
    """The misspelt protocol, ``item``, lists of one schema, unknown keys, empty restraints: all harmless."""
    config = read_config(make_package("odd_config") / "model" / "config.json")
    [api] = config.apis
    assert (api.url, api.method) == ("/", "POST")
    assert api.request_schema is not None
    assert api.request_schema["properties"] == {"images": {"const": FILE_MARKER}, "numbers": NUMBERS}
    assert api.response_schema is not None
    assert api.response_schema["properties"] == {"data": {}, "mnist_result": {"type": "array"}}
    assert config.content["model_source"] == "custom"
    assert config.content["dependencies"][0]["packages"][0]["restraint"] == ""


def test_the_schema_directly_under_request() -> None:
    for schema in (NUMBERS, {"properties": {"x": NUMBERS}}):
        [api] = parse_config({"apis": [{"request": schema, "response": schema}]}).apis
        assert api.request_schema == api.response_schema == schema


@pytest.mark.parametrize(
    ("entry", "url", "method"),
    [
        ({}, "/", "POST"),
        ({"url": "/"}, "/", "POST"),
        ({"url": "predictions/poetry/"}, "/predictions/poetry", "POST"),
        ({"url": " /a "}, "/a", "POST"),
        ({"url": ""}, "/", "POST"),
        ({"method": "get"}, "/", "GET"),
    ],
)
def test_url_and_method(entry: dict[str, str], url: str, method: str) -> None:
    [api] = parse_config({"apis": [{"request": NUMBERS, **entry}]}).apis
    assert (api.url, api.method) == (url, method)


def test_several_entries() -> None:
    config = parse_config({"apis": [{"url": "/a", "request": NUMBERS}, {"url": "/b", "response": NUMBERS}]})
    assert [api.url for api in config.apis] == ["/a", "/b"]
    assert config.has_contract


@pytest.mark.parametrize(
    "side",
    [None, {}, {"data": None}, {"data": {}}, {"Content-type": "application/json"}],
    ids=repr,
)
def test_a_side_without_a_schema_is_not_checked(side: object) -> None:
    [api] = parse_config({"apis": [{"request": side, "response": NUMBERS}]}).apis
    assert api.request_schema is None
    assert api.response_schema == NUMBERS


def test_a_byte_order_mark(tmp_path: Path) -> None:
    config = written(tmp_path, b"\xef\xbb\xbf" + json.dumps(with_request(NUMBERS)).encode())
    assert config.has_contract
    assert config.problems == ()


def test_text_beyond_ascii(tmp_path: Path) -> None:
    config = written(tmp_path, '{"apis": [{"request": {"data": {"required": ["名前"]}}}]}')
    assert config.apis[0].request_schema == {"required": ["名前"]}


def test_the_whole_file_is_kept(tmp_path: Path) -> None:
    content = {**with_request(NUMBERS), "model_algorithm": "x", "unknown": [1, {"a": None}]}
    assert written(tmp_path, json.dumps(content)).content == content


# Without a contract


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({}, "/apis"),
        ({"apis": []}, "/apis"),
        ({"apis": None}, "/apis"),
        ({"apis": {}}, "/apis"),
        ({"apis": "post"}, "/apis"),
        ({"apis": [{}]}, "/apis"),
        ({"apis": [None]}, "/apis/0"),
        ({"apis": [[]]}, "/apis/0"),
        ({"apis": [{"url": 1}]}, "/apis/0/url"),
        ({"apis": [{"request": []}]}, "/apis/0/request"),
        ({"apis": [{"request": "x"}]}, "/apis/0/request"),
        ({"apis": [{"response": 3}]}, "/apis/0/response"),
        (with_request("a schema as text"), "/apis/0/request/data"),
        (with_request([NUMBERS]), "/apis/0/request/data"),
        (with_request({"type": "list"}), "/apis/0/request/data/type"),
        (with_request({"type": "float"}), "/apis/0/request/data/type"),
        (with_request({"type": ["string", "text"]}), "/apis/0/request/data/type"),
        (with_request({"type": None}), "/apis/0/request/data/type"),
        (with_request({"type": 3}), "/apis/0/request/data/type"),
        (with_request({"type": {"a": 1}}), "/apis/0/request/data/type"),
        (with_request({"type": [["string"]]}), "/apis/0/request/data/type"),
        (with_request({"type": []}), "/apis/0/request/data/type"),
        (with_request({"properties": {"a": {"type": "box"}}}), "/apis/0/request/data/properties/a/type"),
        (with_request({"properties": {"a/b~c": {"type": "x"}}}), "/apis/0/request/data/properties/a~1b~0c/type"),
        (with_request({"properties": {"a": "string"}}), "/apis/0/request/data/properties/a"),
        (with_request({"properties": []}), "/apis/0/request/data/properties"),
        (with_request({"items": [{}, {"type": "x"}]}), "/apis/0/request/data/items/1/type"),
        (with_request({"items": "string"}), "/apis/0/request/data/items"),
        (with_request({"required": True}), "/apis/0/request/data/required"),
        (with_request({"required": "name"}), "/apis/0/request/data/required"),
        (with_request({"minItems": "2"}), "/apis/0/request/data/minItems"),
        (with_request({"minimum": "0"}), "/apis/0/request/data/minimum"),
        (with_request({"pattern": "["}), "/apis/0/request/data/pattern"),
        (with_request({"anyOf": {}}), "/apis/0/request/data/anyOf"),
        (with_request({"anyOf": [{}, {"type": "x"}]}), "/apis/0/request/data/anyOf/1/type"),
        (with_request({"not": "x"}), "/apis/0/request/data/not"),
        (with_request({"$ref": "http://127.0.0.1/x"}), "/apis/0/request/data"),
        (with_request({"properties": {"a": {"$ref": "#/definitions/b"}}}), "/apis/0/request/data"),
    ],
    ids=lambda part: json.dumps(part)[:60] if isinstance(part, dict) else "",
)
def test_no_contract_and_the_place_that_is_to_blame(content: dict[str, Any], place: str) -> None:
    config = parse_config(content)
    assert not config.has_contract
    assert [problem.place for problem in config.problems] == [place]
    assert config.content is content


def test_a_good_entry_survives_a_bad_one() -> None:
    config = parse_config({"apis": [{"request": NUMBERS}, {"url": "/b", "request": {"type": "list"}}]})
    assert config.has_contract
    assert [str(problem) for problem in config.problems] == [
        "config.json /apis/1/request/type: unknown type 'list'; known: "
        "array, boolean, file, integer, null, number, object, string"
    ]


def test_no_file() -> None:
    config = read_config(None)
    assert not config.has_contract
    assert [problem.message for problem in config.problems] == ["there is no config.json"]


def test_line_and_column_of_what_people_write_by_hand(make_package: MakePackage) -> None:
    config = read_config(make_package("broken_config") / "model" / "config.json")
    assert not config.has_contract
    assert [problem.place for problem in config.problems] == ["line 2 column 3"]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('{"apis": [], "a"}', "line 1 column 17", "not JSON"),
        ('{\n  "apis": [] // none\n}', "line 2 column 14", "not JSON"),
        ("{'apis': []}", "line 1 column 2", "not JSON"),
        ("", "line 1 column 1", "not JSON"),
        ("{}{}", "line 1 column 3", "not JSON"),
        ("[]", "(whole file)", "must be a JSON object, not list"),
        ("null", "(whole file)", "must be a JSON object, not NoneType"),
        (b'{"a": "\xff"}', "byte 7", "not UTF-8"),
        ('{"a": ' + "[" * 100_000 + "}", "(whole file)", "nests too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "(whole file)", "digits"),
        (b" " * (MAX_CONFIG_BYTES + 1), "(whole file)", f"larger than {MAX_CONFIG_BYTES} bytes"),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_what_is_no_json_is_named(text: str | bytes, place: str, message: str, tmp_path: Path) -> None:
    config = written(tmp_path, text)
    assert not config.has_contract
    [problem] = config.problems
    assert problem.place == place
    assert message in problem.message


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    [problem] = read_config(tmp_path / "config.json").problems
    assert problem.message == "cannot be read: Is a directory"


@pytest.mark.parametrize("keyword", ["properties", "items", "anyOf", "not", "additionalProperties"])
@pytest.mark.parametrize("depth", [20, 64, 65, 300])
def test_deep_schemas_are_taken_or_named(keyword: str, depth: int, tmp_path: Path) -> None:
    config = written(tmp_path, json.dumps(with_request(nested(depth, keyword))))
    assert config.has_contract == (depth <= 64)
    assert len(config.problems) == (depth > 64)


@pytest.mark.parametrize("keyword", ["enum", "const", "default", "examples", "unknown"])
@pytest.mark.parametrize("depth", [100, 800, 900, 950, 975])
def test_deep_values_inside_a_schema(depth: int, keyword: str, tmp_path: Path) -> None:
    """However the file nests, reading it never raises."""
    value = "[" * depth + "]" * depth
    config = written(tmp_path, f'{{"apis": [{{"request": {{"data": {{"{keyword}": [{value}]}}}}}}]}}')
    assert config.has_contract or config.problems


# The package's own wish


@pytest.mark.parametrize(
    ("wish", "expected", "places"),
    [
        ({}, {}, []),
        ({"request": "strict"}, {"request": "strict"}, []),
        ({"request": "off", "response": "coerce", "more": 1}, {"request": "off", "response": "coerce"}, []),
        ("strict", {}, ["/validation"]),
        ({"request": True, "response": "warn"}, {"response": "warn"}, ["/validation/request"]),
    ],
    ids=repr,
)
def test_validation(wish: object, expected: dict[str, str], places: list[str]) -> None:
    config = parse_config({**with_request(NUMBERS), "validation": wish})
    assert config.validation == expected
    assert [problem.place for problem in config.problems] == places
    assert config.has_contract
