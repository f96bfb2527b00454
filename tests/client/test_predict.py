"""``Client.predict`` against the real service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_service.client import Client, Form, PredictionFailed, Reply
from model_service.client.form import Files
from model_service.client.local import LocalService, serve_package

from .servers import Recorder

NUMBERS = {
    "protocol": "https",
    "url": "/numbers",
    "method": "post",
    "request": {
        "Content-type": "application/json",
        "data": {"type": "object", "properties": {"v": {"type": "number"}}, "required": ["v"]},
    },
    "response": {},
}


@pytest.fixture(scope="module")
def echo(make_package: Callable[..., Path]) -> Iterator[LocalService]:
    """Answers what it is given, uploads as their length; ``/numbers`` wants ``{"v": number}``."""
    package = make_package("echo")
    path = package / "model/config.json"
    config = json.loads(path.read_text())
    config["apis"].append(NUMBERS)
    path.write_text(json.dumps(config))
    with serve_package(package, "--backend", "embedded") as service:
        yield service


def test_a_json_value(echo: LocalService) -> None:
    with Client(echo.url) as client:
        assert client.predict({"a": [1, None, "\u4f60"]}) == {"data": {"a": [1, None, "\u4f60"]}}
        assert client.predict({"a": np.eye(2)}) == {"data": {"a": [[1, 0], [0, 1]]}}
    with Client(echo.url + "numbers") as client:
        assert client.predict({"v": np.float32(0.5)}) == {"data": {"v": 0.5}}


def test_files_and_fields(echo: LocalService, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"123")
    form: Files = {"images": [path, ("b.png", b"1"), Image.new("L", (1, 1))], "other": b"12345"}
    with Client(echo.url) as client:
        answer = client.predict(files=form, fields={"side": "left"})["data"]
        assert answer.pop("images") == {"a.png": 3, "b.png": 1, "3.png": 67}
        assert answer == {"other": {"1": 5}, "side": "left"}
        assert client.predict(Form({"images": str(path)}, {"k": "v"})) == {"data": {"images": {"a.png": 3}, "k": "v"}}
        assert client.predict(fields={"k": "v"}) == {"data": {"k": "v"}}


@pytest.mark.parametrize("arguments", [((), {}), (({"a": 1},), {"files": {"f": b""}}), ((None,), {"fields": {}})])
def test_neither_or_both(arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    with Client("http://127.0.0.1:1/") as client, pytest.raises(TypeError, match="either data, or files"):
        client.predict(*arguments[0], **arguments[1])


def test_an_input_that_breaks_the_contract(echo: LocalService) -> None:
    with Client(echo.url + "numbers") as client, pytest.raises(PredictionFailed) as caught:
        client.predict({"v": "one"})
    error = caught.value
    assert (error.status, error.erno, error.msg) == (400, "MR.0101", "The input parameter is invalid")
    assert error.detail is not None
    assert error.violations == ({"pointer": "/v", "expected": "number", "got": error.violations[0]["got"]},)
    assert error.request_id is not None
    deadline = time.monotonic() + 10  # the log comes through a pipe
    while error.request_id not in echo.log_text():
        assert time.monotonic() < deadline, echo.log_text()
        time.sleep(0.01)
    assert error.retry_after_seconds is None
    for told in ("status 400", "MR.0101", error.detail, "/v: expected number", error.request_id):
        assert told in str(error)


def test_no_such_path(echo: LocalService) -> None:
    with Client(echo.url + "nowhere") as client:
        with pytest.raises(PredictionFailed) as caught:
            client.predict({"a": 1})
        assert (caught.value.status, caught.value.violations) == (404, ())
        assert client.send({"a": 1}).status == 404


@pytest.mark.parametrize("status", [201, 204, 302, 500])
def test_only_200_is_an_answer(recorder: Recorder, status: int) -> None:
    with Client(f"{recorder.url}/{status}") as client, pytest.raises(PredictionFailed) as caught:
        client.predict({})
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"<html>Bad gateway</html>", "status 502: the answer is '<html>Bad gateway</html>'"),
        (b"", "status 502: the answer is empty"),
        (b"[1]", "status 502: the answer is '[1]'"),
        (b"\xff" * 10_000, "status 502: the answer is '\ufffd"),
        (b'{"erno": 3, "msg": "away", "violations": [1, {"pointer": "/a"}]}', "status 502: away"),
    ],
)
def test_an_error_of_somebody_else(body: bytes, told: str) -> None:
    """A proxy in front of the service answers as it likes."""
    error = PredictionFailed(Reply(502, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, body))
    assert str(error).startswith(told)
    assert len(str(error)) < 300
    assert (error.erno, error.detail, error.violations, error.retry_after_seconds) == (None, None, (), None)


def test_a_page_instead_of_an_answer() -> None:
    with pytest.raises(PredictionFailed, match="status 200: the answer is '<html>'"):
        Reply(200, {}, b"<html>").answer()
