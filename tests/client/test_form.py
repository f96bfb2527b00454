"""Bodies: forms and JSON."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import multipart
import numpy as np
import pytest
from PIL import Image

from model_service.client import Form, InputUnusable
from model_service.client.form import encode, encode_form


def parsed(body: bytes, content_type: str) -> dict[str, tuple[str | None, str, bytes]]:
    boundary = content_type.partition("boundary=")[2]
    parser = multipart.MultipartParser(io.BytesIO(body), boundary)
    return {part.name: (part.filename, part.content_type, part.raw) for part in parser}


def test_a_form_holds_what_it_was_given() -> None:
    files = [("images", "a.png", b"\x89PNG\r\n--\x00"), ("\u4f60", "\u597d.unknown", b"")]
    body, content_type = encode_form(files, {"text": "caf\u00e9\r\n"})
    assert content_type.startswith("multipart/form-data; boundary=")
    assert parsed(body, content_type) == {
        "text": (None, "text/plain", "caf\u00e9\r\n".encode()),
        "images": ("a.png", "image/png", b"\x89PNG\r\n--\x00"),
        "\u4f60": ("\u597d.unknown", "application/octet-stream", b""),
    }


def test_names_cannot_break_out_of_their_header() -> None:
    body, _ = encode_form([('f"; x="', 'a"\r\nX: y\r\n\r\n.png', b"1")], {})
    head = body.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert head[1] == ('Content-Disposition: form-data; name="f%22; x=%22"; filename="a%22%0D%0AX: y%0D%0A%0D%0A.png"')
    assert len(head) == 3


def test_an_empty_form_is_a_form() -> None:
    body, content_type = encode_form([], {})
    assert parsed(body, content_type) == {}


def test_boundaries_differ() -> None:
    assert encode_form([], {})[1] != encode_form([], {})[1]


def sent(upload: Any) -> dict[str, bytes]:
    """What arrives in one field, by file name."""
    body, content_type = encode(Form({"images": upload}))
    boundary = content_type.partition("boundary=")[2]
    return {str(part.filename): part.raw for part in multipart.MultipartParser(io.BytesIO(body), boundary)}


def test_everything_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    assert sent(path) == sent(str(path)) == {"a.png": b"1"}
    with path.open("rb") as file:
        assert sent(file) == {"a.png": b"1"}
    assert sent(io.BytesIO(b"1")) == sent(b"1") == sent(bytearray(b"1")) == sent(memoryview(b"1")) == {"1": b"1"}
    assert sent(("b.txt", b"2")) == sent(("b.txt", io.BytesIO(b"2"))) == {"b.txt": b"2"}
    with os.fdopen(os.open(path, os.O_RDONLY), "rb") as file:  # its name is a number
        assert sent(file) == {"1": b"1"}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "RGB", "RGBA"])
def test_a_pillow_image_is_sent_without_loss(mode: str) -> None:
    image = Image.new(mode, (3, 2))
    image.putpixel((1, 1), image.getpixel((1, 1)))  # type: ignore[arg-type]
    ((name, content),) = sent(image).items()
    assert name == "1.png"
    with Image.open(io.BytesIO(content)) as arrived:
        assert (arrived.format, arrived.size, arrived.mode) == ("PNG", (3, 2), mode)
        assert arrived.tobytes() == image.tobytes()


def test_files_of_a_field_have_different_names(tmp_path: Path) -> None:
    """The service keeps them by name: of two with the same one only the last would be left."""
    paths = [tmp_path / folder / "1.png" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    assert sent(list(paths)) == {"1.png": b"a", "2-1.png": b"b"}
    assert sent([b"a", b"b", ("2", b"c"), b"d"]) == {"1": b"a", "2": b"b", "3-2": b"c", "4": b"d"}


@pytest.mark.parametrize(
    ("upload", "told"),
    [
        ("/nowhere/a.png", "/nowhere/a.png: cannot be read: No such file"),
        (Path("/"), "/: cannot be read: Is a directory"),
        (io.StringIO("text"), "open for text"),
        (3, "a int cannot be sent as a file"),
        (None, "a NoneType cannot be sent"),
        (np.zeros(3), "a ndarray cannot be sent"),
        (Image.new("CMYK", (1, 1)), "mode CMYK"),
        (("a.png", "b.png"), "given as a list"),
        ((b"1", b"2"), "given as a list"),
        (("a", b"1", "image/png"), "given as a list"),
    ],
)
def test_what_is_no_file(upload: Any, told: str) -> None:
    with pytest.raises(InputUnusable, match=told):
        encode(Form({"images": upload}))


def test_a_closed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    with path.open("rb") as file:
        pass
    with pytest.raises(InputUnusable, match=r"'a\.png' cannot be read"):
        encode(Form({"images": file}))


def test_a_field_that_is_no_text() -> None:
    with pytest.raises(InputUnusable, match="'k' is a float"):
        encode(Form(fields={"k": 0.5}))  # type: ignore[dict-item]


def test_json_takes_what_numpy_makes() -> None:
    value = {"a": np.arange(4, dtype=np.float32).reshape(2, 2), "b": np.int64(3), "c": [np.bool_(True), None, "\u4f60"]}
    body, content_type = encode(value)
    assert content_type == "application/json"
    assert json.loads(body) == {"a": [[0, 1], [2, 3]], "b": 3, "c": [True, None, "\u4f60"]}


def itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("value", [b"bytes", {"a": {1, 2}}, Path("/"), {("a", "b"): 1}, itself()])
def test_what_is_no_json(value: Any) -> None:
    with pytest.raises(InputUnusable, match="no JSON value"):
        encode(value)
