"""The REST API over plain HTTP: routes, forms, types, and the text of every refusal."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from .conftest import ServerProcess, Starts, free_port, wait_until

SECONDS = 20


class Rest:
    """One server's REST API."""

    def __init__(self, process: ServerProcess, port: int, model: str):
        self.process = process
        self.port = port
        self.model = model

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str, dict[str, str]]:
        """Send a request; return status, body and headers."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}

    def predict(self, body: object, verb: str = "predict") -> Any:
        """POST a body that must be answered with 200."""
        status, answer = self.post(body, verb)
        assert status == 200, answer
        return json.loads(answer)

    def refusal(self, body: object, verb: str = "predict") -> str:
        """POST a body that must be answered with 400; return the text."""
        status, answer = self.post(body, verb)
        assert status == 400, answer
        error = json.loads(answer)
        assert list(error) == ["error"]
        return str(error["error"])

    def post(self, body: object, verb: str = "predict") -> tuple[int, str]:
        """POST a body, JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask("POST", f"/v1/models/{self.model}:{verb}", content)[:2]


RestOf = Callable[..., Rest]


@pytest.fixture(scope="module")
def rest(start: Starts) -> RestOf:
    """``rest(kind, *flags)`` is the API of a server with that model."""
    started: dict[tuple[str, ...], Rest] = {}

    def start_server(kind: str, *flags: str) -> Rest:
        key = (kind, *flags)
        if key not in started:
            port = free_port()
            started[key] = Rest(start(kind, f"--rest_api_port={port}", *flags), port, kind)
        return started[key]

    return start_server


@pytest.mark.parametrize(
    ("kind", "body", "answer"),
    [
        ("plus_two", {"instances": [[2.0], [4]]}, {"predictions": [[3.0], [4.0]]}),
        ("plus_two", {"instances": [{"x": [2.0]}]}, {"predictions": [[3.0]]}),
        ("plus_two", {"inputs": {"x": [[2.0]]}}, {"outputs": [[3.0]]}),
        ("plus_two", {"inputs": [[2.0]], "signature_name": "serving_default"}, {"outputs": [[3.0]]}),
        ("plus_two", {"inputs": 2.0}, {"outputs": 3.0}),
        (
            "signatures",
            {"inputs": {"a": [1, 3], "b": [2, 5]}},
            {"outputs": {"difference": [-1.0, -2.0], "rows": 2, "sum": [3.0, 8.0]}},
        ),
        ("signatures", {"signature_name": "triple", "instances": [[1.5]]}, {"predictions": [[4.5]]}),
        ("signatures", {"signature_name": "defaulted", "inputs": {"a": [1]}}, {"outputs": [11.0]}),
        (
            "signatures",
            {"signature_name": "defaulted", "instances": [{"a": 1}, {"a": 2}]},
            {"predictions": [11.0, 12.0]},
        ),
        (
            "tables",
            {"instances": ["one", {"b64": "dHdv"}]},
            {"predictions": [{"name": "eins", "number": 101}, {"name": "zwei", "number": 102}]},
        ),
    ],
)
def test_forms(rest: RestOf, kind: str, body: object, answer: Any) -> None:
    assert rest(kind).predict(body) == answer


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("float32", [0.1, -0.0, 16777215, 3.4e38]),
        ("float64", [0.1, 1e300, 9007199254740991]),
        ("float16", [0.5, 2047]),
        ("bfloat16", [0.5, 255]),
        ("int8", [-128, 127]),
        ("int16", [-32768, 32767]),
        ("int32", [-(2**31), 2**31 - 1]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("uint8", [0, 255]),
        ("uint16", [0, 65535]),
        ("uint32", [0, 2**32 - 1]),
        ("uint64", [0, 2**64 - 1]),
        ("bool", [True, False]),
        ("string", ["", "grün", 'a"b']),
    ],
)
def test_values_come_back_as_they_went(rest: RestOf, kind: str, values: list[Any]) -> None:
    """Every type, as rows, as columns, as one value and as no value."""
    echo = rest("echo")
    for form, answer in (("instances", "predictions"), ("inputs", "outputs")):
        assert echo.predict({"signature_name": kind, form: values}) == {answer: values}
        assert echo.predict({"signature_name": kind, form: [values, values]}) == {answer: [values, values]}
    assert echo.predict({"signature_name": kind, "inputs": values[0]}) == {"outputs": values[0]}
    assert echo.predict({"signature_name": kind, "inputs": []}) == {"outputs": []}
    assert echo.predict({"signature_name": kind, "instances": [[], []]}) == {"predictions": [[], []]}


def test_numbers_are_as_short_as_their_type_allows(rest: RestOf) -> None:
    echo = rest("echo")
    assert echo.post({"signature_name": "float32", "inputs": [0.1, 3, 1e-7]})[1] == '{"outputs":[0.1,3.0,1e-7]}'
    assert echo.post({"signature_name": "float64", "inputs": [0.1, 3]})[1] == '{"outputs":[0.1,3.0]}'


def test_not_a_number_and_infinity(rest: RestOf) -> None:
    body = b'{"signature_name": "float32", "instances": [[NaN, 0.1], [-Infinity, Infinity]]}'
    status, answer = rest("echo").post(body)
    assert (status, answer) == (200, '{"predictions":[[NaN,0.1],[-Infinity,Infinity]]}')


def test_bytes_in_and_out(rest: RestOf) -> None:
    """Input is base64 where it says so; output where the alias ends in _bytes."""
    echo = rest("echo")
    assert echo.predict({"signature_name": "string", "inputs": {"b64": "AA=="}}) == {"outputs": "\x00"}
    assert echo.predict({"signature_name": "bytes", "instances": [{"b64": "_-8"}, "a"]}) == {
        "predictions": [{"b64": "/+8="}, {"b64": "YQ=="}]
    }


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("plus_two", b"", "JSON Parse error: The document is empty"),
        ("plus_two", b"  ", "JSON Parse error: The document is empty. at offset: 2"),
        ("plus_two", b"[1]", "JSON Value: [\n    1\n] Is not object"),
        ("plus_two", b'{"instances": [1,]}', "JSON Parse error: Invalid value. at offset: 17"),
        ("plus_two", b'{"instances": [1 2]}', "Missing a comma or ] after an array element. at offset: 17"),
        ("plus_two", b'{"instances": [1] 2}', "Missing a comma or } after an object member. at offset: 18"),
        ("plus_two", b'{"instances" [1]}', "Missing a colon after a name of object member. at offset: 13"),
        ("plus_two", b'{"instances": [1]} 2', "The document root must not be followed by other values."),
        ("plus_two", b"{1: 2}", "JSON Parse error: Missing a name for object member. at offset: 1"),
        ("plus_two", b'{"a": "\xff"}', "JSON Parse error: Invalid encoding in string. at offset: 7"),
        ("plus_two", b'{"instances": ' + b"[" * 100_000, "JSON Parse error: Nested too deeply."),
        ("plus_two", {}, "Missing 'inputs' or 'instances' key"),
        (
            "plus_two",
            {"instances": 1},
            'JSON Value: {\n    "instances": 1\n} Excepting \'instances\' to be an list/array',
        ),
        ("plus_two", {"instances": []}, 'JSON Value: {\n    "instances": []\n} No values in \'instances\' array'),
        (
            "plus_two",
            {"instances": [1], "inputs": [1]},
            'JSON Value: {\n    "instances": [\n        1\n    ],\n    "inputs": [\n        1\n    ]\n} Not formatted '
            "correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        ("plus_two", {"signature_name": 1, "inputs": 1}, "'signature_name' key must be a string value."),
        ("plus_two", {"signature_name": "no", "inputs": 1}, 'Serving signature name: "no" not found in signature def'),
        ("plus_two", {"inputs": ["a"]}, 'JSON Value: "a" Type: String is not of expected type: float'),
        ("plus_two", {"inputs": [True]}, "JSON Value: true Type: True is not of expected type: float"),
        ("plus_two", {"inputs": [None]}, "JSON Value: null Type: Null is not of expected type: float"),
        ("plus_two", {"inputs": [{"b64": "AA=="}]}, "is not of expected type: float"),
        ("plus_two", {"inputs": [16777216]}, "Cannot convert JSON value: 16777216 to float without loss of precision."),
        ("plus_two", {"inputs": [1e39]}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ("plus_two", {"inputs": [10**400]}, "JSON Parse error: Number too big to be stored in double."),
        ("plus_two", {"inputs": [-(10**39)]}, "Cannot convert JSON value: -1e+39 to float without loss of precision."),
        ("plus_two", b'{"inputs": [1e400]}', "JSON Parse error: Number too big to be stored in double."),
        ("plus_two", {"inputs": [[1], [1, 2]]}, "Encountered list at unexpected size: 2 at level: 1 expected size: 1"),
        ("plus_two", {"inputs": [1, [2]]}, "Encountered list at unexpected level: 1 expected < 1"),
        ("plus_two", {"inputs": [[1], 2]}, "found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ("plus_two", {"inputs": [[[1]], 2]}, "found at incorrect level: 2 in the JSON DOM. Expected at level: 3"),
        (
            "plus_two",
            {"instances": [[1], [1, 2]]},
            "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2",
        ),
        (
            "plus_two",
            {"instances": [{"x": [[1, 2]]}, {"x": [[1], [2]]}]},
            "Failed to process element: 1 key: x of 'instances' list. Error: INVALID_ARGUMENT: Expecting shape [1,2] "
            "but got: [2,1]",
        ),
        (
            "plus_two",
            {"instances": [1, "a"]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"a\" Type: String "
            "is not of expected type: float",
        ),
        ("plus_two", {"instances": [{"x": 1}, 2]}, "Expecting object but got list at item 1 of input list"),
        ("plus_two", {"instances": [1, {"x": 1}]}, "Expecting value/list but got object at item 1 of input list"),
        (
            "plus_two",
            {"instances": [{"y": 1}]},
            "Failed to process element: 0 key: y of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not "
            "have named input: y",
        ),
        ("signatures", {"instances": [1]}, "instances is a plain list, but expecting list of objects"),
        ("signatures", {"inputs": [1]}, "inputs is a plain value/list, but expecting an object"),
        ("signatures", {"inputs": {"a": [1]}}, "Missing named input: b in 'inputs' object."),
        (
            "signatures",
            {"instances": [{"a": 1}]},
            "element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b",
        ),
        ("tables", {"inputs": {"word": [{"b64": "?"}]}}, "Unable to base64 decode"),
        ("tables", {"inputs": {"word": [{"b65": "AA=="}]}}, "not formatted correctly for base64 data"),
        ("echo", {"signature_name": "int8", "inputs": [128]}, "128 Type: Number is not of expected type: int8"),
        ("echo", {"signature_name": "int64", "inputs": [2**63]}, "is not of expected type: int64"),
        ("echo", {"signature_name": "uint8", "inputs": [-1]}, "is not of expected type: uint8"),
        ("echo", {"signature_name": "int32", "inputs": [1.5]}, "1.5 Type: Number is not of expected type: int32"),
        ("echo", {"signature_name": "bool", "inputs": [1]}, "JSON Value: 1 Type: Number is not of expected type: bool"),
        (
            "echo",
            {"signature_name": "joined", "instances": [{"b64": "YQ=="}]},
            "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: "
            "{b}.",
        ),
        ("plus_two", {"inputs": json.loads("[" * 70 + "1" + "]" * 70)}, "nested more than 64 deep"),
    ],
)  # fmt: skip
def test_refusals(rest: RestOf, kind: str, body: object, text: str) -> None:
    assert text in rest(kind).refusal(body)
    assert rest("plus_two").predict({"instances": [2.0]}) == {"predictions": [3.0]}


@pytest.mark.parametrize("wrong", [0, 1, 2, 70_001, 99_998, 99_999])
def test_the_row_to_blame_is_found_fast(rest: RestOf, wrong: int) -> None:
    """Finding it takes no longer than some answers to as many good rows."""
    rows: list[object] = [[1.0]] * 100_000
    started = time.monotonic()
    rest("plus_two").predict({"instances": rows})
    answered = time.monotonic()
    rows[wrong] = ["a"]
    if wrong < 99_999:
        rows[99_999] = [[2.0]]  # a second one, later
    text = rest("plus_two").refusal({"instances": rows})
    assert text.startswith(f"Failed to process element: {wrong} of 'instances' list. Error: INVALID_ARGUMENT: JSON Va")
    assert time.monotonic() - answered < 5 * (answered - started)


def test_large_bodies_are_not_told_back(rest: RestOf) -> None:
    text = rest("plus_two").refusal({"instances": {"x": [1.0] * 100_000}})
    assert len(text) < 600
    assert text.endswith("... Excepting 'instances' to be an list/array")


def test_integers_beyond_64_bits_are_floats(rest: RestOf) -> None:
    for digits in (b"10000000000000000000000", b"1" + b"0" * 30):
        status, answer = rest("echo").post(b'{"signature_name": "float32", "inputs": [%b, 0.5]}' % digits)
        assert (status, json.loads(answer)) == (200, {"outputs": [float(digits), 0.5]})


@pytest.mark.parametrize("kind", ["complex64", "qint8", "float8_e5m2", "float8_e4m3fn", "int4"])
def test_types_that_json_cannot_say(rest: RestOf, kind: str) -> None:
    status, answer = rest("echo").post({"signature_name": kind, "inputs": [1]})
    assert (status, json.loads(answer)) == (501, {"error": f"Conversion of JSON Value: 1 to type: {kind}"})


def test_outputs_without_a_common_batch(rest: RestOf) -> None:
    """``rows`` is one number whatever the batch; columns can say it."""
    text = rest("signatures").refusal({"instances": [{"a": 1, "b": 2}]})
    assert text == "Tensor name: rows has no shape information "


@pytest.mark.parametrize(
    ("verb", "body", "answer"),
    [
        ("classify", {"examples": [{"x": 2.0}, {"x": [4.0]}]}, [[["", 3.0]], [["", 4.0]]]),
        ("regress", {"examples": [{"x": 2.0}], "context": {"y": "z"}}, [3.0]),
        ("regress", {"examples": [{}, {"x": 6.0}], "context": {"x": 2.0}}, [3.0, 5.0]),
    ],
)
def test_examples(rest: RestOf, verb: str, body: dict[str, object], answer: object) -> None:
    body["signature_name"] = f"{verb}_x_to_y"
    assert rest("plus_two").predict(body, verb) == {"results": answer}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "key 'examples' is expected and was not found"),
        ({"examples": 1}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{}], "context": []}, "Example must be JSON object but got JSON Array"),
        ({"examples": [{"x": None}]}, "Feature: x has element with unexpected JSON type: Null"),
        ({"examples": [{"x": [[1]]}]}, "Feature: x has element with unexpected JSON type: Array"),
        ({"examples": [{"x": {"y": 1}}]}, "Feature: x has element with unexpected JSON type: Object"),
        ({"examples": [{"x": [1, 2.5]}]}, "Unexpected element type in feature: x expecting type: int64"),
        ({"examples": [{"x": ["a", 1]}]}, "Unexpected element type in feature: x expecting type: bytes"),
        ({"examples": [{"x": 2**63}]}, "Feature: x has uint64 element. Only int64 is supported."),
        ({"examples": [{"x": 1e39}]}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ({"examples": [{"x": {"b64": "?"}}]}, "Unable to base64 decode"),
        ({"signature_name": "nowhere", "examples": [{"x": 1.0}]}, "No signature was found with the name: nowhere"),
    ],
)
def test_refused_examples(rest: RestOf, body: object, text: str) -> None:
    assert text in rest("plus_two").refusal(body, "regress")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/no", 404, "Could not find any versions of model no"),
        ("GET", "/v1/models/plus_two/versions/7", 404, "Could not find version 7 of model plus_two"),
        ("GET", "/v1/models/plus_two/labels/no", 400, "Unrecognized servable version label: no"),
        ("GET", "/v1/models/plus_two/versions/99999999999999999999", 400, "Failed to convert version: 9999"),
        ("GET", "/v1/models/plus_two:predict", 400, "Malformed request: GET /v1/models/plus_two:predict"),
        ("POST", "/v1/models/plus_two", 400, "Malformed request: POST /v1/models/plus_two"),
        ("PUT", "/v1/models/plus_two:predict", 400, "Malformed request: PUT /v1/models/plus_two:predict"),
        ("POST", "/v1/models/plus_two:guess", 400, "Malformed request: POST /v1/models"),
        ("POST", "/v1/models/no:predict", 404, "Servable not found for request: Latest(no)"),
        ("POST", "/v1/models/plus_two/versions/7:predict", 404, "request: Specific(plus_two, 7)"),
        ("POST", "/v1/models/n%C3%B6:predict", 404, "Servable not found for request: Latest(nö)"),
        ("GET", "/elsewhere", 404, "Not Found"),
    ],
)  # fmt: skip
def test_routes_that_lead_nowhere(rest: RestOf, method: str, path: str, status: int, text: str) -> None:
    found, body, headers = rest("plus_two").ask(method, path, b'{"inputs": [1.0]}' if method == "POST" else None)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert text in json.loads(body)["error"]


def test_routes_know_no_case_and_take_versions(rest: RestOf) -> None:
    api = rest("plus_two")
    for path in (
        "/V1/Models/plus_two:PREDICT",
        "/v1/models/plus_two/versions/123:predict",
        "/v1/models/plus%5Ftwo:predict?x",
    ):
        status, body, _ = api.ask("POST", path, b'{"inputs": [2.0]}')
        assert (status, json.loads(body)) == (200, {"outputs": [3.0]}), path
    (status_of_123,) = json.loads(api.ask("GET", "/v1/models/plus_two/versions/123")[1])["model_version_status"]
    assert status_of_123["version"] == "123"


def test_compressed_bodies(rest: RestOf) -> None:
    api = rest("plus_two")
    path, headers = "/v1/models/plus_two:predict", {"Content-Encoding": "gzip"}
    packed = gzip.compress(b'{"inputs": [2.0]}')
    assert json.loads(api.ask("POST", path, packed, headers)[1]) == {"outputs": [3.0]}
    assert api.ask("POST", path, b"no gzip", headers)[0] == 400
    assert api.ask("POST", path, packed[:-4], headers)[0] == 400
    bomb = gzip.compress(bytes(300 << 20), 9)
    assert api.ask("POST", path, bomb, headers)[0] == 413


def test_cross_origin_headers(rest: RestOf) -> None:
    with_headers = rest("plus_two", "--rest_api_enable_cors_support")
    for method, path in (("OPTIONS", "/v1/models/plus_two:predict"), ("GET", "/v1/models/plus_two"), ("GET", "/v1/x")):
        _, _, headers = with_headers.ask(method, path)
        assert headers["access-control-allow-origin"] == "*"
        assert headers["access-control-allow-methods"] == "POST, GET"
        assert headers["access-control-allow-headers"] == "Content-Type"
    assert with_headers.ask("OPTIONS", "/v1/models/plus_two:predict")[:2] == (200, "")
    assert "access-control-allow-origin" not in rest("plus_two").ask("GET", "/v1/models/plus_two")[2]


def test_a_call_over_the_time_out(rest: RestOf) -> None:
    slow = rest("slow", "--rest_api_timeout_in_ms=200")
    status, body = slow.post({"inputs": 1_000_000})
    assert (status, json.loads(body)) == (504, {"error": "Timed out waiting for notification"})
    assert slow.predict({"inputs": 3}) == {"outputs": 3}


def test_broken_http_harms_nobody(rest: RestOf) -> None:
    api = rest("plus_two")
    for content in (
        b"no http at all\r\n\r\n",
        b"POST /v1/models/plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        b"POST /v1/models/plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /v1/models/plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n{}",
        b"POST /v1/models/plus_two:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        bytes(range(256)),
    ):
        with socket.create_connection(("127.0.0.1", api.port), SECONDS) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        assert api.predict({"inputs": [2.0]}) == {"outputs": [3.0]}


def test_slow_bodies_hold_no_thread(rest: RestOf) -> None:
    """Forty clients that send nothing more, eight threads."""
    api = rest("plus_two")
    slow = [socket.create_connection(("127.0.0.1", api.port), SECONDS) for _ in range(40)]
    try:
        for connection in slow:
            connection.sendall(b"POST /v1/models/plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert api.predict({"inputs": [2.0]}) == {"outputs": [3.0]}
    finally:
        for connection in slow:
            connection.close()


def test_the_port_is_taken(rest: RestOf, start: Starts) -> None:
    taken = rest("plus_two").port
    server = start("plus_two", f"--rest_api_port={taken}", ready=False)
    assert server.wait() == 255
    assert f"Failed to start HTTP Server at localhost:{taken}" in server.log


def test_calls_in_flight_end_well_at_the_end(start: Starts) -> None:
    port = free_port()
    process = start("slow", f"--rest_api_port={port}")
    api = Rest(process, port, "slow")
    answers: list[Any] = []
    caller = threading.Thread(target=lambda: answers.append(api.predict({"inputs": 1_500_000})))
    caller.start()
    time.sleep(0.3)
    os.kill(process.process.pid, signal.SIGTERM)
    assert process.wait() == 0
    caller.join(SECONDS)
    assert answers == [{"outputs": 1_500_000}]


def test_the_end_is_not_put_off_by_ever_more_calls(start: Starts) -> None:
    """Eight clients that never pause: no new connection, every answer whole, and soon over."""
    port = free_port()
    process = start("plus_two", f"--rest_api_port={port}")
    process.wait_for(f"Exporting HTTP/REST API at:localhost:{port} ...")
    answered = threading.Event()
    broken: list[bytes] = []

    def call_for_ever() -> None:
        head = b"POST /v1/models/plus_two:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            while True:
                connection.sendall(head + b'{"inputs": [2.0]}')
                answer = connection.recv(65536)
                if not answer:
                    return  # between two answers
                if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b'{"outputs":[3.0]}'):
                    broken.append(answer)
                answered.set()

    callers = [threading.Thread(target=call_for_ever) for _ in range(8)]
    for caller in callers:
        caller.start()
    assert answered.wait(SECONDS)
    os.kill(process.process.pid, signal.SIGTERM)
    assert process.wait(5) == 0
    for caller in callers:
        caller.join(SECONDS)
    assert not broken


def test_labels_name_versions(start: Starts, models: Path, tmp_path: Path) -> None:
    config = tmp_path / "models.conf"
    config.write_text(
        f'model_config_list {{ config {{ name: "m" base_path: "{models / "half_plus_two"}" '
        'model_platform: "tensorflow" model_version_policy { all {} } '
        'version_labels { key: "old" value: 7 } version_labels { key: "new" value: 123 } } }',
        "utf-8",
    )
    port = free_port()
    flags = [
        f"--rest_api_port={port}",
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
    ]
    api = Rest(start("half_plus_two", *flags), port, "m")
    wait_until(lambda: "version: 7" in api.process.log)
    for label, y in (("old", 3.0), ("new", 4.0)):
        status, body, _ = api.ask("POST", f"/v1/models/m/labels/{label}:predict", b'{"inputs": [2.0]}')
        assert (status, json.loads(body)) == (200, {"outputs": [y]})
