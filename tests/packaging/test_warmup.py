"""``package build --warmup-samples``: what samples become, and that the model server replays it."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_packaging.cli import main
from model_packaging.tf_record import write_records
from model_service.tfs.protos import message_module
from model_service.tfs.tensors import to_array
from tests.conftest import TESTS_FOLDER, SavedModels, quiet_environment

DIGIT = TESTS_FOLDER / "data" / "digit.png"
WARMUP = "model/assets.extra/tf_serving_warmup_requests"
Build = Callable[..., int]


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    return folder


@pytest.fixture
def build(saved_model: SavedModels, samples: Path, tmp_path: Path) -> Build:
    """``build(package, service=None)`` builds tmp_path/out of a package of the tests, or of the text of a service."""

    def run(package: str, service: str | None = None) -> int:
        parts = tmp_path / "parts"
        shutil.copytree(TESTS_FOLDER / "packages" / package / "model", parts)
        if service is not None:
            (parts / "customize_service.py").write_text(service)
        if not (parts / "config.json").exists():
            (parts / "config.json").write_text('{"model_algorithm": "test", "model_type": "TensorFlow"}')
        arguments = ["--service", parts / "customize_service.py", "--config", parts / "config.json"]
        arguments += ["--model", saved_model("digits"), "--output", tmp_path / "out", "--warmup-samples", samples]
        return main(["build", "--no-check", *map(str, arguments)])

    return run


def records(path: Path) -> list[bytes]:
    content = path.read_bytes()
    found = []
    while content:
        (length,) = struct.unpack_from("<Q", content)
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


def test_samples_are_recorded_and_the_model_server_replays_them(
    build: Build, samples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("b.png", "a.png", "deep/c.png", ".hidden"):
        (samples / name).parent.mkdir(exist_ok=True)
        shutil.copy(DIGIT, samples / name)
    assert build("digits") == 0
    assert f"{tmp_path / 'out' / WARMUP}: 3 requests from {samples}\n" in capfd.readouterr().out
    found = records(tmp_path / "out" / WARMUP)
    assert len(found) == 3
    log = message_module("prediction_log_pb2").PredictionLog.FromString(found[0])
    request = log.predict_log.request
    assert (request.model_spec.name, request.model_spec.signature_name) == ("serve", "predict_images")
    images = to_array(request.inputs["images"])
    assert (images.shape, images.dtype, set(request.inputs)) == ((1, 784), np.float32, {"images"})
    assert images.max() > 100
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "1").symlink_to(tmp_path / "out" / "model")
    command = [sys.executable, "-m", "model_service.cli", "model-server", "--port=0", "--model_name=serve"]
    command += [f"--model_base_path={tmp_path / 'base'}", f"--grpc_socket_path={tmp_path / 's'}"]
    assert "Number of warmup records read: 3." in output_until("Successfully loaded servable version", command)


def output_until(text: str, command: list[str]) -> str:
    """What a program prints before it prints this; then it is ended."""
    printed = []
    with subprocess.Popen(
        command, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, env=quiet_environment()
    ) as process:
        assert process.stdout is not None
        timer = threading.Timer(60, process.kill)
        timer.start()
        for line in process.stdout:
            printed.append(line)
            if text in line:
                break
        timer.cancel()
        process.kill()
    return "".join(printed)


def test_a_service_of_several_files_is_recorded_when_they_are_there(
    saved_model: SavedModels, samples: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DIGIT, samples / "a.png")
    helper = tmp_path / "helper.py"
    helper.write_text("")
    service = tmp_path / "service.py"
    own = (TESTS_FOLDER / "packages" / "digits" / "model" / "customize_service.py").read_text()
    service.write_text(f"import helper\n{own}")
    config = TESTS_FOLDER / "packages" / "digits" / "model" / "config.json"
    parts = ["--model", str(saved_model("digits")), "--service", str(service), "--config", str(config)]
    out = tmp_path / "out"
    record = ["--no-check", "--warmup-samples", str(samples)]
    assert main(["build", *parts, "--output", str(out), *record]) == 2
    assert f"then: model-service package build {out} --warmup-samples {samples}" in capfd.readouterr().err
    assert not out.exists()
    assert main(["build", *parts, "--output", str(out), "--no-check"]) == 0
    shutil.copy(helper, out / "model")
    assert main(["build", str(out), *record]) == 0
    assert len(records(out / WARMUP)) == 1


def test_json_bodies(build: Build, samples: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        (samples / f"{number}.json").write_text(json.dumps({"x": number}))
    assert build("logged_rows") == 0
    logs = map(message_module("prediction_log_pb2").PredictionLog.FromString, records(tmp_path / "out" / WARMUP))
    sent = [to_array(log.predict_log.request.inputs["images"]) for log in logs]
    assert [array[0, 0] for array in sent] == [1, 2]


STUB = """
from tensorflow_serving.apis import predict_pb2
from model_service.tfserving_model_service import TfServingBaseService

class Own(TfServingBaseService):
    def _inference(self, data):
        return self.stub.Predict(predict_pb2.PredictRequest(), 60)
"""
NO_PREDICT = """
from model_service.tfserving_model_service import TfServingBaseService

class Own(TfServingBaseService):
    def _inference(self, data):
        return {}
"""
EXITING = """
import os
from model_service.tfserving_model_service import TfServingBaseService

class Own(TfServingBaseService):
    def _preprocess(self, data):
        os._exit(7)
"""
WRONG_NAME = """
from model_service.tfserving_model_service import TfServingBaseService

class Own(TfServingBaseService):
    def _preprocess(self, data):
        return {"pictures": 1}
"""


@pytest.mark.parametrize(
    ("package", "service", "content", "message"),
    [
        ("digits", None, b"no picture", "s.png: UnidentifiedImageError: cannot identify image file"),
        ("digits", STUB, b"x", "s.png: the package calls the model server itself"),
        ("digits", NO_PREDICT, b"x", "s.png: its _preprocess and _inference ended without asking the model"),
        ("digits", EXITING, b"x", "the process that ran _preprocess ended with status 7"),
        ("digits", WRONG_NAME, b"x", "s.png: InputRefused: the package sends the input tensors 'pictures'"),
        ("logged_rows", None, b"x", "s.png: the request breaks the declared contract: /x: expected to be present"),
        ("two_classes", None, b"x", "exactly one service class is needed"),
    ],
)
def test_samples_that_never_reach_the_model(
    package: str,
    service: str | None,
    content: bytes,
    message: str,
    build: Build,
    samples: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (samples / "s.png").write_bytes(content)
    assert build(package, service) == 2
    error = capfd.readouterr().err
    assert message in error
    assert {path.name for path in tmp_path.iterdir()} == {"samples", "parts"}


def test_folders_that_are_none(build: Build, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build("digits") == 2
    assert "there are no files in it" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "parts")
    for number in range(1001):
        (samples / f"{number}.png").touch()
    assert build("digits") == 2
    assert "holds 1,001 files; at most 1,000 are replayed" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "parts")
    shutil.rmtree(samples)
    samples.touch()
    assert build("digits") == 2
    assert "must be a folder" in capsys.readouterr().err


def test_the_checksum_is_the_published_one(tmp_path: Path) -> None:
    """CRC-32C of "123456789" is E3069283; rotated right by 15 bits and shifted by A282EAD8 that is what files hold."""
    write_records(tmp_path / "records", [b"123456789"])
    crc = 0xE3069283
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert (tmp_path / "records").read_bytes()[12:] == b"123456789" + struct.pack("<I", masked)
