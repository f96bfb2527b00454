"""Whole services on model servers that are not the embedded one: the binary on PATH, and a server elsewhere."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model_service.client import Client, Reply
from model_service.client.local import LocalService, ServiceNotStarted, serve_package

from .conftest import answering_server, free_port, install_binary, path_with, wait_for


def ask(service: LocalService) -> Reply:
    picture = io.BytesIO()
    Image.new("L", (28, 28)).save(picture, "PNG")
    with Client(service.url, timeout_seconds=30) as client:
        return client.send(files={"images": picture.getvalue()})


def readiness(service: LocalService) -> tuple[int, dict[str, Any]]:
    with Client(service.url, timeout_seconds=30) as client:
        reply = client.get("/ready")
    return reply.status, reply.json()["model_server"]


@pytest.mark.parametrize("variant", ["2.19", "old"])
def test_the_binary_on_path_serves(make_package: Any, tmp_path: Path, variant: str) -> None:
    environ = path_with(install_binary(tmp_path / "bin", variant))
    with serve_package(make_package("digits", "digits"), environ=environ) as service:
        assert "(model server: tensorflow_model_server)" in service.log_text()
        reply = ask(service)
        assert reply.status == 200
        assert "x-contract-violation" not in reply.headers
        status, server = readiness(service)
        assert (status, server["kind"], server["phase"]) == (200, "tensorflow_model_server", "ready")
        with Client(service.url) as client:
            assert client.get("/health").status == 200


def test_a_binary_that_dies_at_once_ends_the_service(make_package: Any, tmp_path: Path) -> None:
    binary = install_binary(tmp_path / "bin", "dies")
    package = make_package("digits", "digits")
    with pytest.raises(ServiceNotStarted) as caught, serve_package(package, "--backend", str(binary)):
        pass
    text = str(caught.value)
    assert "ended with status 2" in text
    assert "model-service serve: the model server (pid " in text
    assert "ended with status 255" in text
    assert "Failed to start server. Error: NOT_FOUND" in text
    assert "Traceback" not in text


def test_a_server_elsewhere_comes_goes_and_comes_back(make_package: Any) -> None:
    address = f"127.0.0.1:{free_port()}"
    package = make_package("digits")  # without a SavedModel: the signature is the server's
    with (
        ExitStack() as stack,
        serve_package(package, "--backend", address, wait_for_model_server=False) as service,
    ):
        status, server = readiness(service)
        assert (status, server["phase"]) == (503, "starting")
        assert server["reason"] == f"waiting for {address}"
        refused = ask(service)
        assert (refused.status, refused.json()["erno"]) == (503, "MR.0106")
        assert refused.headers["retry-after"] == "1"

        stack.enter_context(answering_server(address))
        wait_for(lambda: readiness(service)[0] == 200, 20, "/ready to turn 200")
        assert ask(service).json()["predicted_label"] == "9"
        assert readiness(service)[1]["kind"] == "remote"

        stack.close()
        status, server = readiness(service)
        assert status == 503
        assert server["reason"] == "it does not answer: UNAVAILABLE"
        refused = ask(service)
        assert (refused.status, refused.json()["erno"]) == (503, "MR.0106")

        stack.enter_context(answering_server(address))
        wait_for(lambda: readiness(service)[0] == 200, 20, "/ready to turn 200 again")
        assert ask(service).status == 200
        assert f"ready: {service.url}" in service.log_text()


def test_a_server_elsewhere_named_by_the_environment(make_package: Any) -> None:
    port = free_port()
    environ = {"TF_SERVER_NAME": "127.0.0.1", "TF_SERVER_PORT": str(port)}
    with (
        answering_server(f"127.0.0.1:{port}", "other", "serving_default"),
        serve_package(make_package("digits"), environ=environ) as service,
    ):
        assert ask(service).json()["predicted_label"] == "9"
        assert "(model server: remote)" in service.log_text()


def test_a_server_elsewhere_without_a_signature_to_choose(make_package: Any, tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 's'}"
    with (
        answering_server(address, "one", "two"),
        serve_package(make_package("digits"), "--backend", address, wait_for_model_server=False) as service,
    ):
        reply = ask(service)
        assert (reply.status, reply.json()["erno"]) == (500, "MR.0105")
        assert "or one called 'serving_default'. It has:\n  one: images -> scores" in service.log_text()


def test_a_server_elsewhere_that_has_another_model(make_package: Any, tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 's'}"
    flags = ("--backend", address, "--model-name", "another")
    with (
        answering_server(address),
        serve_package(make_package("digits"), *flags, wait_for_model_server=False) as service,
    ):
        assert readiness(service)[0] == 503
        reply = ask(service)
        assert (reply.status, reply.json()["detail"]) == (503, "the model server has no such model")
