"""The table of design D6, row by row, over the wire: who is to blame decides the status."""

from __future__ import annotations

import contextlib
import http.client
import json
import struct
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from model_service.client import Client, Reply
from model_service.client.form import encode_form
from model_service.client.local import LocalService

from .conftest import Serve, assert_alive, png_bytes, post_picture, send_raw

INVALID = "The input parameter is invalid"
FAILED = "Recognition failed"


def request(
    service: LocalService, method: str, path: str = "/", body: bytes | None = None, content_type: str | None = None
) -> Reply:
    parts = urlsplit(service.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request(method, path, body, {"Content-Type": content_type} if content_type else {})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, response.read())
    finally:
        connection.close()


def assert_error(reply: Reply, status: int, erno: str, *extra_keys: str) -> dict[str, object]:
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/json"
    body: dict[str, object] = reply.json()
    assert list(body)[:4] == ["erno", "msg", "words_result", "request_id"]
    assert body["erno"] == erno
    assert body["words_result"] == {}
    assert body["request_id"] == reply.headers["x-request-id"]
    assert set(body) == {"erno", "msg", "words_result", "request_id", *extra_keys}
    assert "Traceback" not in json.dumps(body)
    return body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", None),
        (b"{}", "application/json"),
        (b"[]", "application/json"),
        (b"null", "application/json"),
        (b"", "application/json"),
        (b"hello", "text/plain"),
        (b"hello", "application/octet-stream"),
        (b"", "application/x-www-form-urlencoded"),
    ],
)
def test_no_usable_input(digits: LocalService, body: bytes, content_type: str | None) -> None:
    reply = request(digits, "POST", body=body, content_type=content_type)
    assert assert_error(reply, 400, "MR.0101", "detail")["msg"] == INVALID
    assert_alive(digits)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"images": ', "application/json"),
        (b"\xff\xfe\xfa", "application/json"),
        (b"[" * 200_000, "application/json"),
        (b'{"n": ' + b"9" * 10_000 + b"}", "application/json"),
        (b"no boundary here", "multipart/form-data; boundary=b"),
        (b"--b\r\n", "multipart/form-data"),
        (
            b'--b\r\nContent-Disposition: form-data; name="images"; filename="x"\r\n\r\nabc',
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_malformed_body(digits: LocalService, body: bytes, content_type: str) -> None:
    assert_error(request(digits, "POST", body=body, content_type=content_type), 400, "MR.0101", "detail")
    assert_alive(digits)


def test_declared_field_missing(digits: LocalService) -> None:
    reply = post_picture(digits, field="pictures")
    body = assert_error(reply, 400, "MR.0101", "detail", "violations")
    assert body["violations"] == [{"pointer": "/images", "expected": "to be present", "got": "nothing"}]
    assert_alive(digits)


def test_text_where_a_file_is_declared(digits: LocalService) -> None:
    for reply in (
        request(digits, "POST", body=b"images=abc", content_type="application/x-www-form-urlencoded"),
        request(digits, "POST", body=b'{"images": "abc"}', content_type="application/json"),
    ):
        body = assert_error(reply, 400, "MR.0101", "detail", "violations")
        assert body["violations"] == [{"pointer": "/images", "expected": "a file", "got": "string 'abc'"}]
    assert_alive(digits)


def test_body_over_the_limit_with_and_without_a_length(digits: LocalService) -> None:
    parts = urlsplit(digits.url)
    big = b"x" * (13 * 1024 * 1024)
    head = f"POST / HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    with_length = send_raw(digits, f"{head}Content-Length: {len(big)}\r\n\r\n".encode())
    assert with_length.startswith(b"HTTP/1.1 413 ")
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    pieces = (big[start : start + 65536] for start in range(0, len(big), 65536))
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with contextlib.suppress(
        BrokenPipeError, ConnectionResetError
    ):  # it stops reading; its answer is there all the same
        connection.request("POST", "/", pieces, headers, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["erno"] == "MR.0101"
    connection.close()
    assert_alive(digits)


def test_unknown_path_and_method(digits: LocalService) -> None:
    assert_error(request(digits, "POST", "/nope"), 404, "MR.0101", "detail")
    assert_error(request(digits, "GET", "/nope"), 404, "MR.0101", "detail")
    assert_error(request(digits, "GET"), 405, "MR.0101", "detail")
    assert_error(request(digits, "PUT", body=b"x"), 405, "MR.0101", "detail")
    assert_alive(digits)


def test_too_slow_body(serve: Serve) -> None:
    service = serve("echo", "--body-timeout", "0.5")
    started = time.monotonic()
    answer = send_raw(
        service, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"MR.0101" in answer
    assert 0.4 < time.monotonic() - started < 10
    with Client(service.url) as client:
        assert client.send({"a": 1}).json() == {"data": {"a": 1}}


def png_bomb() -> bytes:
    """A valid small PNG that announces 20,000 x 20,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * (20_001 * 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", png_bytes()[:40], png_bytes((64, 64), "RGB")[:-30], png_bomb()],
    ids=["empty", "text", "header only", "truncated", "bomb"],
)
def test_undecodable_image(digits: LocalService, content: bytes) -> None:
    assert_error(post_picture(digits, content), 400, "MR.0101", "detail")
    assert_alive(digits)


def test_two_files_in_one_field(digits: LocalService) -> None:
    with Client(digits.url) as client:
        reply = client.send(files={"images": [("a.png", png_bytes()), ("b.png", png_bytes())]})
    assert reply.status == 200
    assert reply.json().keys() == {"predicted_label", "scores"}


def test_field_that_the_signature_does_not_know(digits: LocalService) -> None:
    with Client(digits.url) as client:
        reply = client.send(files={"images": ("a.png", png_bytes()), "other": ("b.png", png_bytes())})
    assert assert_error(reply, 500, "MR.0105")["msg"] == FAILED
    assert "the signature 'predict_images' takes: images: float32 [?, 784]" in digits.log_text()
    assert_alive(digits)


@pytest.mark.parametrize("hook", ["_preprocess", "_inference", "_postprocess"])
@pytest.mark.parametrize(
    ("error", "status", "erno", "extra"),
    [
        ("KeyError", 400, "MR.0105", ()),
        ("TypeError", 400, "MR.0105", ()),
        ("ValueError", 500, "MR.0105", ()),
        ("OSError", 500, "MR.0105", ()),
        ("SystemExit", 500, "MR.0105", ()),
        ("RecursionError", 500, "MR.0105", ()),
        ("BadRequest", 422, "MR.0101", ("detail",)),
        ("broken_image", 400, "MR.0101", ("detail",)),
        ("truncated_image", 400, "MR.0101", ("detail",)),
    ],
)
def test_what_a_hook_raises(
    raises: LocalService, hook: str, error: str, status: int, erno: str, extra: tuple[str, ...]
) -> None:
    with Client(raises.url) as client:
        reply = client.send({"error": error, "hook": hook})
        body = assert_error(reply, status, erno, *extra)
        assert "secret" not in json.dumps(body)
        assert client.send({"fine": 1}).status == 200
    if erno == "MR.0105":
        log = raises.log_text()
        assert str(body["request_id"]) in log
        assert f"{error}" in log


def test_results_that_json_cannot_say(serve: Serve) -> None:
    assert_error(post_picture(serve("bytes_result", model="digits")), 500, "MR.0105")


def test_response_that_breaks_a_strict_contract(serve: Serve) -> None:
    strict = serve("string_scores", "--validate-response", "strict", model="digits")
    body = assert_error(post_picture(strict), 500, "MR.0105", "violations")
    violations = body["violations"]
    assert isinstance(violations, list)
    assert violations[0]["pointer"] == "/scores/0/1"
    assert violations[0]["expected"] == "number"


def test_response_contract_warned_of_by_default_and_coerced_on_demand(serve: Serve) -> None:
    warned = post_picture(serve("string_scores", model="digits"))
    assert warned.status == 200
    assert warned.headers["x-contract-violation"].startswith("/scores/0/1 type; /scores/1/1 type")
    assert isinstance(warned.json()["scores"][0][1], str)
    coerced = post_picture(
        serve("string_scores", model="digits", environ={"MODEL_SERVICE_VALIDATE_RESPONSE": "coerce"})
    )
    assert coerced.status == 200
    assert "x-contract-violation" not in coerced.headers
    assert isinstance(coerced.json()["scores"][0][1], float)


def in_parallel(count: int, call: Callable[[], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(call) for _ in range(count)]]


def test_overload_is_refused_at_once(serve: Serve) -> None:
    service = serve("sleeps", "--threads", "1", "--queue", "1")

    def sleep() -> Reply:
        with Client(service.url) as client:
            return client.send({"seconds": 1.0})

    replies = in_parallel(6, sleep)
    assert sorted({reply.status for reply in replies}) == [200, 503]
    refused = [reply for reply in replies if reply.status == 503]
    assert len(refused) == 4
    assert_error(refused[0], 503, "MR.0106")
    assert refused[0].headers["retry-after"] == "1"
    assert sleep().status == 200


def test_hook_over_the_deadline_and_probes_beside_it(serve: Serve) -> None:
    service = serve("sleeps", "--threads", "1", "--request-timeout", "0.5")
    with Client(service.url) as client:
        assert_error(client.send({"seconds": 1.5}), 504, "MR.0107", "detail")
        assert client.get("/health").json() == {"status": "OK"}  # the only thread still sleeps
        assert client.get("/ready").status == 200


def test_model_server_that_is_not_there(serve: Serve) -> None:
    with Client(serve("digits", "--sidecar", "never", model="digits").url) as client:
        reply = client.send(files={"images": png_bytes()})
    assert_error(reply, 503, "MR.0106", "detail")
    assert reply.headers["retry-after"] == "1"


def test_request_id_of_the_caller_is_kept_when_it_is_plain(raises: LocalService) -> None:
    body, content_type = encode_form([], {"a": "1"})
    for given, kept in (("abc-123", True), ("x" * 65, False), ('a"b', False)):
        parts = urlsplit(raises.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        connection.request("POST", "/", body, {"Content-Type": content_type, "X-Request-Id": given})
        response = connection.getresponse()
        response.read()
        assert (response.headers["X-Request-Id"] == given) is kept
        connection.close()
