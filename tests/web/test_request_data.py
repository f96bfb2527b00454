"""From the body of a request to the ``data`` of hooks, item by item."""

from __future__ import annotations

import json
import random
import struct
import warnings
import zlib
from io import BytesIO
from typing import Any

import pytest

from model_service.errors import BadRequest
from model_service.inference.pipeline import RequestData
from model_service.web.request_data import Body, parse_request

JSON = "application/json"
FORM = "multipart/form-data; boundary=B"
URLENCODED = "application/x-www-form-urlencoded"
MAX_PIXELS = 10_000


def parse(content: bytes | str, content_type: str = JSON, query: str = "") -> RequestData:
    return parse_request(
        Body(content.encode() if isinstance(content, str) else content, content_type, query), MAX_PIXELS
    )


def plain(value: Any) -> Any:
    """The value with uploads as bytes."""
    if isinstance(value, BytesIO):
        return value.getvalue()
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def form(*parts: tuple[str, bytes | str]) -> bytes:
    """A multipart body of (headers or text after ``form-data; ``, content)."""
    body = b""
    for header, content in parts:
        content = content.encode() if isinstance(content, str) else content
        body += f"--B\r\nContent-Disposition: form-data; {header}\r\n\r\n".encode() + content + b"\r\n"
    return body + b"--B--\r\n"


def refusal(content: bytes | str, content_type: str = JSON, query: str = "") -> str:
    with pytest.raises(BadRequest) as caught:
        parse(content, content_type, query)
    assert (caught.value.status, caught.value.erno) == (400, "MR.0101")
    assert caught.value.detail
    return caught.value.detail


def png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


# JSON


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, {"data": {"req_data": [{"x": "1"}]}}, [1], [[]], [{}], [0], "text", 1, -0.5, True, {"": None}],
    ids=repr,
)
def test_json_is_passed_on_as_parsed(value: object) -> None:
    assert parse(json.dumps(value)) == RequestData(value, frozenset())


@pytest.mark.parametrize("text", ["{}", "[]", "null", "0", '""', "false", "", "0.0", " {} "])
def test_json_that_says_nothing_is_no_input(text: str) -> None:
    assert refusal(text).startswith("no usable input (sent as application/json)")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8;x=y",
        " application/json ; charset=utf-8",
        "application/vnd.api+json",
        "application/problem+json; charset=utf-8",
    ],
)
def test_content_types_that_mean_json(content_type: str) -> None:
    assert parse('{"a": 1}', content_type).value == {"a": 1}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/octet-stream",
        "text/json",
        "application/jsonp",
        "application/x-json",
        "json",
        "image/png",
    ],
)
def test_content_types_that_mean_nothing(content_type: str) -> None:
    message = refusal('{"a": 1}', content_type)
    assert message.startswith("no usable input")
    assert (f"sent as {content_type}" if content_type else "without a Content-Type") in message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_in_every_encoding_json_may_have(encoding: str) -> None:
    assert parse('{"名": "é"}'.encode(encoding)).value == {"名": "é"}


def test_what_python_takes_for_json() -> None:
    value = parse('{"a": NaN, "b": -Infinity, "c": 1e400, "d": 123456789012345678901234567890}').value
    assert value["a"] != value["a"]
    assert value["b"] == float("-inf")
    assert value["c"] == float("inf")
    assert value["d"] == 123456789012345678901234567890


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{", "line 1 column 2"),
        ("{'a': 1}", "line 1 column 2"),
        ('{"a": 1,}', "line 1 column"),
        ('{"a":\n 1} x', "line 2 column 5"),
        ("images=x", "line 1 column 1"),
    ],
)
def test_malformed_json_is_named_with_its_place(text: str, place: str) -> None:
    message = refusal(text)
    assert message.startswith("malformed JSON: ")
    assert place in message


@pytest.mark.parametrize(
    "content",
    [b'{"a": "\xff"}', b"[" * 100_000, b'{"a":' * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b"\x00", b"\xfe\xff\xd8"],
    ids=lambda content: repr(content[:12]),
)
def test_json_that_brings_parsers_to_their_knees(content: bytes) -> None:
    assert refusal(content).startswith("malformed JSON: ")


# Forms


def test_text_fields_are_text() -> None:
    data = parse(form(('name="side"', "left"), ('name="n"', "0.5"), ('name="e"', "")), FORM)
    assert data == RequestData({"side": "left", "n": "0.5", "e": ""}, frozenset({"side", "n", "e"}))


def test_a_file_is_an_ordinary_file_in_memory() -> None:
    data = parse(form(('name="images"; filename="digit.png"', b"\x00\r\n\xff--B")), FORM)
    assert list(data.value) == ["images"]
    content = data.value["images"]["digit.png"]
    assert type(content) is BytesIO
    assert content.tell() == 0
    assert content.read() == b"\x00\r\n\xff--B"
    assert content.seek(1) == 1
    assert content.read(2) == b"\r\n"
    assert data.text_fields == frozenset()


def test_several_files_in_one_field_keep_their_order() -> None:
    body = form(*((f'name="f"; filename="{name}"', name) for name in ("c", "a", "b")), ('name="g"; filename="a"', "x"))
    data = plain(parse(body, FORM).value)
    assert data == {"f": {"c": b"c", "a": b"a", "b": b"b"}, "g": {"a": b"x"}}
    assert list(data["f"]) == ["c", "a", "b"]


def test_a_file_name_twice_keeps_the_last_content() -> None:
    body = form(('name="f"; filename="a"', "1"), ('name="f"; filename="b"', "2"), ('name="f"; filename="a"', "3"))
    assert plain(parse(body, FORM).value) == {"f": {"a": b"3", "b": b"2"}}


def test_a_text_field_twice_keeps_the_first() -> None:
    assert parse(form(('name="a"', "1"), ('name="a"', "2")), FORM).value == {"a": "1"}


@pytest.mark.parametrize("turned", [False, True])
def test_a_file_replaces_a_text_of_its_name(turned: bool) -> None:
    parts = [('name="a"', "text"), ('name="a"; filename="f"', "file")]
    data = parse(form(*(reversed(parts) if turned else parts)), FORM)
    assert plain(data.value) == {"a": {"f": b"file"}}
    assert data.text_fields == frozenset()


@pytest.mark.parametrize(
    ("sent", "known"),
    [
        ("digit.png", "digit.png"),
        ("/etc/passwd", "passwd"),
        ("../../x.png", "x.png"),
        (r"C:\\fakepath\\x.png", "x.png"),
        (r"a\\b/c", "c"),
        ("字.png", "字.png"),
        ("", ""),
        ("with space;and semicolon.png", "with space;and semicolon.png"),
    ],
)
def test_file_names_lose_their_folders(sent: str, known: str) -> None:
    assert plain(parse(form((f'name="f"; filename="{sent}"', "x")), FORM).value) == {"f": {known: b"x"}}


@pytest.mark.parametrize(
    "header",
    [
        "name=\"f\"; filename*=UTF-8''%E5%AD%97.png",
        "name=\"f\"; filename*=utf-8''%e5%ad%97.png",
        'name="f"; filename="?.png"; filename*=UTF-8\'\'%E5%AD%97.png',
    ],
)
def test_a_file_name_in_the_extended_spelling_makes_a_file(header: str) -> None:
    """What urllib3 before 2.0 (and so ``requests``) sends for names beyond ASCII."""
    [(name, content)] = plain(parse(form((header, "x")), FORM).value["f"]).items()
    assert content == b"x"
    assert name in ("字.png", "?.png")


def test_field_names_beyond_ascii() -> None:
    assert parse(form(('name="名"', "é")), FORM).value == {"名": "é"}


def test_types_of_parts_are_ignored() -> None:
    for kind in ("text/plain", "image/png", "multipart/form-data", "application/json", "nonsense"):
        body = form((f'name="f"; filename="a"\r\nContent-Type: {kind}', "x"))
        assert plain(parse(body, FORM).value) == {"f": {"a": b"x"}}


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        ("utf-8", "é".encode(), "é"),
        ("latin-1", b"\xe9", "é"),
        ("gbk", "名".encode("gbk"), "名"),
        ("no-such-charset", "é".encode(), "é"),
        ("utf-8", b"\xff", "\ufffd"),
        ("hex", "é".encode(), "é"),
    ],
)
def test_the_charset_of_a_text_field(charset: str, content: bytes, text: str) -> None:
    body = form((f'name="a"\r\nContent-Type: text/plain; charset={charset}', content))
    assert parse(body, FORM).value == {"a": text}


TRAPS = ["undefined", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "zlib", "rot13"]


@pytest.mark.parametrize("charset", TRAPS)
def test_charsets_that_are_traps(charset: str) -> None:
    for content in (b"abc", b"\\xzz\\z\xff\xfe-\x80", b"xn--\xff..", bytes(range(256))):
        body = form((f'name="a"\r\nContent-Type: text/plain; charset={charset}', content))
        assert isinstance(parse(body, FORM).value["a"], str)


def test_urlencoded_fields() -> None:
    data = parse("a=1&a=2&b=x+y%20z&c=&d", URLENCODED)
    assert data == RequestData({"a": "1", "b": "x y z", "c": "", "d": ""}, frozenset("abcd"))
    assert parse("%E5%90%8D=%ff", URLENCODED + "; charset=utf-8").value == {"名": "\ufffd"}


def test_json_sent_without_its_content_type_as_curl_does() -> None:
    """The whole text is the name of one empty field; equals signs of base64 split it."""
    assert parse('{"x": [1, 2]}', URLENCODED).value == {'{"x": [1, 2]}': ""}
    assert parse('{"x": "aGk="}', URLENCODED).value == {'{"x": "aGk': '"}'}


@pytest.mark.parametrize(("content", "content_type"), [(b"", URLENCODED), (b"--B--\r\n", FORM), (b"&&", URLENCODED)])
def test_an_empty_form_is_no_input(content: bytes, content_type: str) -> None:
    assert refusal(content, content_type).startswith("no usable input")


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", 'multipart/form-data; boundary=""', "multipart/form-data; boundary=other"],
)
def test_a_boundary_that_is_not_there(content_type: str) -> None:
    assert refusal(form(('name="a"', "1")), content_type).startswith("malformed multipart body: ")


@pytest.mark.parametrize("boundary", ['"B"', "B; charset=utf-8", '"B" ; x=y'])
def test_boundaries_in_every_spelling(boundary: str) -> None:
    assert parse(form(('name="a"', "1")), f"Multipart/Form-Data; boundary={boundary}").value == {"a": "1"}


@pytest.mark.parametrize("cut", [3, 4, 5, 10, 22, 42])
def test_a_multipart_body_that_is_cut_off(cut: int) -> None:
    body = form(('name="a"', "1"), ('name="f"; filename="x"', b"content"))
    assert refusal(body[:-cut], FORM).startswith("malformed multipart body: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing of the kind",
        b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--\r\n",
        b"--B\r\nno header at all\r\n\r\nx\r\n--B--\r\n",
        b'--B\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--B--\r\n',
        b'--B\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--B--\r\n',
        b'--B\r\nContent-Disposition: form-data; name="' + b"a" * 10_000 + b'"\r\n\r\nx\r\n--B--\r\n',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_malformed_multipart(body: bytes) -> None:
    assert refusal(body, FORM).startswith("malformed multipart body: ")


def test_too_many_fields() -> None:
    assert "malformed" in refusal(form(*((f'name="{n}"', "x") for n in range(1001))), FORM)
    assert "malformed" in refusal("&".join(f"{n}=x" for n in range(1001)), URLENCODED)
    assert "malformed" in refusal('{"a": 1}', query="&".join(f"{n}=x" for n in range(1001)))
    assert len(parse(form(*((f'name="{n}"', "x") for n in range(1000))), FORM).value) == 1000


def test_an_image_bomb_is_refused_by_its_header() -> None:
    assert "'bomb.png' announces 200 x 51 pixels" in refusal(
        form(('name="f"; filename="bomb.png"', png(200, 51))), FORM
    )
    parse(form(('name="f"; filename="large.png"', png(200, 50))), FORM)
    parse(form(('name="text"', png(200, 51))), FORM)  # no file


# Query arguments


@pytest.mark.parametrize(
    ("content", "content_type", "expected", "text_fields"),
    [
        ('{"a": 1, "b": 2}', JSON, {"a": "q", "b": 2, "c": ""}, {"a", "c"}),
        ("a=1&b=2", URLENCODED, {"a": "q", "b": "2", "c": ""}, {"a", "b", "c"}),
        (
            form(('name="a"; filename="f"', "x"), ('name="b"', "2")),
            FORM,
            {"a": "q", "b": "2", "c": ""},
            {"a", "b", "c"},
        ),
    ],
    ids=["json", "urlencoded", "multipart"],
)
def test_query_arguments_are_merged_last(
    content: bytes | str, content_type: str, expected: dict[str, Any], text_fields: set[str]
) -> None:
    assert parse(content, content_type, "a=q&a=r&c=") == RequestData(expected, frozenset(text_fields))


@pytest.mark.parametrize("text", ["[1]", '"text"', "1", "true"])
def test_query_arguments_need_an_object(text: str) -> None:
    assert "query arguments" in refusal(text, query="a=1")
    assert parse(text, query="").value == json.loads(text)


@pytest.mark.parametrize(
    ("content", "content_type"), [(b"", ""), (b"{}", JSON), (b"", URLENCODED), (b"x", "text/plain")]
)
def test_query_arguments_alone_are_no_input(content: bytes, content_type: str) -> None:
    assert refusal(content, content_type, "a=1").startswith("no usable input")


def test_query_arguments_in_any_bytes() -> None:
    assert parse('{"x": 1}', query="n=%E5%90%8D&b=%ff&p=a+b").value == {"x": 1, "n": "名", "b": "\ufffd", "p": "a b"}


# Nothing but BadRequest may come out, whatever comes in

SEEDS = [
    (b'{"a": [1, "\xc3\xa9", {"b": null}], "c": 1e5}', JSON),
    (form(('name="a"', "1"), ('name="f"; filename="x.png"', png(10, 10)), ('name="f"; filename="y"', b"\r\n--")), FORM),
    (form(("name=\"f\"; filename*=UTF-8''%E5.png\r\nContent-Type: text/plain; charset=latin-1", "x")), FORM),
    (b"a=1&b=%E5%90%8D&c=+&=&&d", URLENCODED),
]
BYTES = b'{}[]":,=&%;\r\n\\-/*B\x00\xff\xfe' + bytes(range(0x20, 0x7F))


def damaged(content: bytes, chance: random.Random) -> bytes:
    mutable = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        position = chance.randrange(len(mutable) + 1)
        action = chance.randrange(4)
        if action == 0:
            mutable[position : position + 1] = bytes([chance.choice(BYTES)])
        elif action == 1:
            mutable[position:position] = bytes(chance.choices(BYTES, k=chance.randrange(1, 8)))
        elif action == 2:
            del mutable[position : position + chance.randrange(1, 10)]
        else:
            mutable[position:position] = mutable[position : position + chance.randrange(1, 60)]
    return bytes(mutable)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_and_random_requests(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        content, content_type = chance.choice(SEEDS)
        if chance.random() < 0.2:
            content = chance.randbytes(chance.randrange(200))
        elif chance.random() < 0.9:
            content = damaged(content, chance)
        if chance.random() < 0.3:
            content_type = damaged(content_type.encode(), chance).decode("latin-1")
        query = damaged(b"a=1&b=%E5", chance).decode("latin-1") if chance.random() < 0.3 else ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                data = parse(content, content_type, query)
        except BadRequest:
            continue
        assert data.value
        assert not data.text_fields or isinstance(data.value, dict)
        assert all(isinstance(data.value[name], str) for name in data.text_fields)
