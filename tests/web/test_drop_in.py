"""Packages of every habit of the field, served unmodified (over the wire)."""

from __future__ import annotations

import http.client
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from model_service.client import Client, Reply
from model_service.client.form import encode_form
from model_service.client.local import LocalService, serve_package

from .conftest import MakePackage, Serve, png_bytes

Write = Callable[[str], Path]
BASE = "from model_service.tfserving_model_service import TfServingBaseService\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(code)`` is a service file for ``--service``; the import of the base class is put in front."""

    def write_service(code: str) -> Path:
        path = tmp_path / "my_service.py"
        path.write_text(BASE + code)
        return path

    return write_service


def post(service: LocalService, value: object) -> Reply:
    with Client(service.url, timeout_seconds=60) as client:
        return client.send(value)


def answer(service: LocalService, value: object) -> Any:
    reply = post(service, value)
    assert reply.status == 200, service.log_text()
    return reply.json()


def at_once(service: LocalService, value: object, count: int) -> list[Any]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: answer(service, value), range(count)))


def model_server(service: LocalService) -> Any:
    with Client(service.url) as client:
        return client.get("/ready").json()["model_server"]


# How many instances there are, and that the log says why.


def test_a_global_makes_one_instance_and_the_log_says_why(serve: Serve) -> None:
    service = serve("uses_global")
    assert [reply["most"] for reply in at_once(service, {"seconds": 0.05}, 6)] == [1] * 6
    assert "one instance for all requests, because:\n" in service.log_text()
    assert re.search(r"customize_service.py:\d+: uses global running, most", service.log_text())
    assert "thread_safe = True" in service.log_text()


def test_a_plain_class_has_as_many_instances_as_threads_each_for_one_request(serve: Serve, write: Write) -> None:
    code = """
import time
class S(TfServingBaseService):
    def _preprocess(self, data):
        self.kept = data["number"]
        return data
    def _inference(self, data):
        time.sleep(data["seconds"])
        return data
    def _postprocess(self, data):
        return {"data": [self.kept, data["number"]], "instance": id(self)}
"""
    service = serve("echo", "--service", str(write(code)), "--threads", "3")
    assert len({reply["instance"] for reply in at_once(service, {"number": 1, "seconds": 0.3}, 3)}) == 3
    assert "one instance" not in service.log_text()
    with ThreadPoolExecutor(8) as pool:
        replies = pool.map(lambda number: answer(service, {"number": number, "seconds": 0.01})["data"], range(40))
    assert list(replies) == [[number, number] for number in range(40)]


def test_a_class_that_says_it_is_thread_safe_works_in_parallel(serve: Serve) -> None:
    service = serve("thread_safe", "--threads", "4")
    answer(service, {"a": 1})
    started = time.monotonic()
    replies = at_once(service, {"seconds": 0.5}, 4)
    assert time.monotonic() - started < 1.5
    assert len({reply["thread"] for reply in replies}) == 4
    assert "one instance" not in service.log_text()


# What authors override.


def test_a_constructor_without_super_and_own_inference(serve: Serve) -> None:
    service = serve("no_super_init")
    assert answer(service, {"name": "b"}) == {"value": 2}
    assert post(service, {"name": "c"}).status == 400  # KeyError
    assert "TableService overrides __init__" in service.log_text()


def test_inference_overridden_with_the_metrics_template(serve: Serve) -> None:
    service = serve("overrides_inference")
    reply = answer(service, {"question": 42})
    assert reply["answer"] == 42
    assert reply["latency_time"].endswith(" ms")
    assert "TimedService overrides inference" in service.log_text()


def test_own_model_object_says_which_signature_is_called(serve: Serve) -> None:
    service = serve("own_model_object", model="two_with_default")
    assert answer(service, {"x": [1.0, 2.0]}) == {"y": [-1.0, -2.0]}


def test_the_default_signature_of_two_and_lists_as_results(serve: Serve, write: Write) -> None:
    code = "class S(TfServingBaseService):\n    def _postprocess(self, data):\n"
    code += "        return {'y': data['y'].index(4.0), 'kind': type(data['y']).__name__,\n"
    code += "                'signature': self.model.model_signature, 'inputs': sorted(self.model.model_inputs)}\n"
    service = serve("echo", "--service", str(write(code)), model="two_with_default")
    expected = {"y": 1, "kind": "list", "signature": "serving_default", "inputs": ["x"]}
    assert answer(service, {"x": [1, 2]}) == expected


def test_service_file_of_the_command_line_beats_the_packages(serve: Serve, write: Write) -> None:
    code = "class S(TfServingBaseService):\n    def _inference(self, data):\n        return {'mine': data}\n"
    assert answer(serve("no_class", "--service", str(write(code))), {"a": 1}) == {"mine": {"a": 1}}


# The world around the file.


def test_siblings_relative_imports_and_files(serve: Serve) -> None:
    service = serve("siblings")
    assert answer(service, {"a": 1}) == {
        "helper": 42,
        "relative": "hello",
        "late": "late",
        "labels": ["cat", "dog"],
        "labels_by_path": ["cat", "dog"],
    }
    served = re.search(r" serves (.+) \(model server", service.log_text())
    assert served is not None
    assert "__pycache__" not in os.listdir(served[1]), "the package's folder is not ours to write to"


def test_modules_of_the_package_win_over_ours(serve: Serve) -> None:
    assert answer(serve("shadowing"), {"a": 1}) == {"log": "package", "utils": "package"}


def test_the_world_a_service_sees(serve: Serve, write: Write) -> None:
    code = """
import os
import sys
import log
import model_service.log as our_log
from model_def.model_def import ModelDef
from model_service.model_service import SingleNodeService, get_tf_server_stub
logger = log.getLogger(__name__)
class S(TfServingBaseService):
    def _inference(self, data):
        logger.info("seen by the author")
        with open("written.txt", "w") as file:
            file.write("scratch")
        return {
            "data": sorted(os.listdir(self.model_path)),
            "cwd": os.path.realpath(os.path.dirname(os.path.dirname(self.model_path))) == os.getcwd(),
            "version": os.path.basename(self.model_path.rstrip("/")),
            "name": self.model_name,
            "same": log.getLogger is our_log.getLogger,
            "tensorflow": "tensorflow" in sys.modules,
            "path": "config.json" in os.listdir("."),
        }
"""
    service = serve("echo", "--service", str(write(code)), "--model-name", "mine")
    assert answer(service, {"a": 1}) == {
        "data": ["config.json", "customize_service.py"],
        "cwd": True,
        "version": "1",
        "name": "mine",
        "same": True,
        "tensorflow": False,
        "path": True,
    }
    assert "seen by the author" in service.log_text()


# What goes in and what comes out.


def test_numpy_values_and_tuples_are_answered_as_json(serve: Serve) -> None:
    assert answer(serve("numpy_result"), {"a": 1}) == {
        "label": 7,
        "score": 0.5,
        "flag": True,
        "box": [[1, 2], [3, 4]],
        "pair": ["a", 1.5],
    }


def test_nan_and_infinities_are_written_as_the_original_did(serve: Serve) -> None:
    reply = post(serve("nan_result"), {"a": 1})
    assert reply.status == 200
    assert b"[NaN, Infinity, -Infinity, 0.5]" in reply.body
    assert math.isnan(reply.json()["scores"][0])


@pytest.fixture(scope="module")
def echo(serve: Serve) -> LocalService:
    return serve("echo")


def send(service: LocalService, body: bytes, content_type: str, query: str = "") -> Any:
    parts = urlsplit(service.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("POST", f"/{query}", body, {"Content-Type": content_type})
        response = connection.getresponse()
        content = json.loads(response.read())
        assert response.status == 200, content
        return content["data"]
    finally:
        connection.close()


FORM = "application/x-www-form-urlencoded"


def test_files_and_texts_of_a_form(echo: LocalService) -> None:
    files = [("images", "b.png", b"12"), ("images", "a.png", b"123"), ("images", "b.png", b"1"), ("other", "c", b"")]
    body, content_type = encode_form(files, {"text": "\u4f60\u597d", "images": "hidden by the files"})
    data = send(echo, body, content_type, "?more=1&more=2&text=from+the+query")
    assert data == {"text": "from the query", "images": {"b.png": 1, "a.png": 3}, "other": {"c": 0}, "more": "1"}
    assert list(data["images"]) == ["b.png", "a.png"]


def test_file_names_lose_their_folders(echo: LocalService) -> None:
    files = [("f", "../../etc/passwd", b"1"), ("f", "C:\\pictures\\a.png", b"12")]
    body, content_type = encode_form(files, {})
    assert send(echo, body, content_type) == {"f": {"passwd": 1, "a.png": 2}}


def test_first_of_repeated_texts(echo: LocalService) -> None:
    assert send(echo, b"a=1&a=2&b=&c=%E4%BD%A0+x", FORM) == {"a": "1", "b": "", "c": "\u4f60 x"}


def test_json_text_sent_as_a_form_is_the_key_it_was(echo: LocalService) -> None:
    assert send(echo, b'{"a": "bc=="}', FORM) == {'{"a": "bc': '="}'}


@pytest.mark.parametrize("value", [{"a": {"b": [1, 2.5, None, True, "x"]}}, [1], [[]], 7, "text", True])
def test_json_reaches_the_hook_as_it_is(echo: LocalService, value: object) -> None:
    assert send(echo, json.dumps(value).encode(), "application/json; charset=utf-8") == value


def test_json_of_a_kind_and_query(echo: LocalService) -> None:
    data = send(echo, b'{"a": 1, "b": 2}', "application/vnd.api+json", "?b=x")
    assert data == {"a": 1, "b": "x"}


def test_odd_config_is_accepted(serve: Serve) -> None:
    reply = post(serve("odd_config", "--validate-request", "off"), {"a": 1})
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"


def test_pictures_without_any_service_file(serve: Serve) -> None:
    service = serve("vision", model="pictures")
    files = [(name, png_bytes((3, 2), mode)) for name, mode in (("a.png", "RGB"), ("b.png", "L"))]
    with Client(service.url, timeout_seconds=60) as client:
        reply = client.send(files={"images": [*files]})
        assert reply.json() == {"sums": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], "shape": [2, 2, 3, 3]}
        files[1] = ("b.png", png_bytes((4, 4)))
        assert client.send(files={"images": [*files]}).status == 500
        assert client.send({"images": "text"}).status == 400


# The lazy model server, several urls, and the old variable.


@pytest.mark.parametrize("use", ["infer", "stub"])
def test_a_lazy_model_server_is_started_by_its_first_use(serve: Serve, write: Write, use: str) -> None:
    code = """
from model_service.model_service import get_tf_server_stub
class S(TfServingBaseService):
    def _inference(self, data):
        use = data.pop("use")
        if use == "infer":
            return {"data": self.infer(data)["y"], "again": super()._inference(data)["y"]}
        if use == "stub":
            assert self.stub is get_tf_server_stub()
            return {"data": hasattr(self.stub, "Predict")}
        return {"data": "nothing"}
"""
    service = serve("echo", "--service", str(write(code)), model="half_plus_two")
    assert answer(service, {"use": "nothing"}) == {"data": "nothing"}
    assert model_server(service)["phase"] == "found"
    assert answer(service, {"use": use, "x": [[2.0]]})["data"] == (True if use == "stub" else [[3.0]])
    assert model_server(service)["phase"] == "ready"


def test_sidecar_always_is_started_for_nobody(serve: Serve) -> None:
    service = serve("own_inference", "--sidecar", "always", model="half_plus_two")
    assert model_server(service)["phase"] == "ready"
    assert answer(service, {"numbers": [1, 2]}) == {"mean": 1.5}


def test_every_url_of_the_config_has_its_own_contract(make_package: MakePackage) -> None:
    def api(url: str, kind: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"v": {"type": kind}}, "required": ["v"]}
        data = {"Content-type": "application/json", "data": schema}
        return {"protocol": "https", "url": url, "method": "post", "request": data, "response": {}}

    package = make_package("echo")
    config = {"model_type": "TensorFlow", "apis": [api("/numbers", "number"), api("/texts/", "string")]}
    (package / "model/config.json").write_text(json.dumps(config))
    with serve_package(package, "--backend", "embedded") as service:
        for path, value, status in (
            ("numbers", 1, 200),
            ("numbers", "one", 400),
            ("texts", "one", 200),
            ("texts/", "one", 200),
            ("texts", 1, 400),
            ("", 1, 200),
            ("", "one", 400),
            ("others", 1, 404),
        ):
            with Client(service.url + path) as client:
                assert client.send({"v": value}).status == status, path


def test_flags_of_the_original_server_in_one_variable(make_package: MakePackage, write: Write) -> None:
    code = "class S(TfServingBaseService):\n    def _inference(self, data):\n        return {'data': self.model_name}\n"
    package = make_package("echo")
    legacy = f"--model_path {package / 'model'} --model_name old --service_file {write(code)} --tf_server_name 10.0.0.1"
    process = subprocess.Popen(
        [sys.executable, "-m", "model_service.cli", "serve", "--port", "0", "--backend", "embedded"],
        stderr=subprocess.PIPE,
        env={**os.environ, "TF_MODEL_ARGS": legacy},
    )
    assert process.stderr is not None
    with process.stderr:
        try:
            url = next(line for line in process.stderr if b"ready: " in line).split()[2].decode()
            with Client(url) as client:
                assert client.send({"a": 1}).json() == {"data": "old"}
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
