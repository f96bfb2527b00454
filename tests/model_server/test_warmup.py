"""Recorded requests are answered before a version is served."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from model_service.tfs.protos import message_module, predict_pb2
from model_service.tfs.tensors import make_tensor_proto

from .conftest import Client, ServerProcess, Starts, free_port

prediction_log_pb2 = message_module("prediction_log_pb2")


def masked_crc32c(content: bytes) -> int:
    """The checksum of TFRecord files."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def tf_record(content: bytes) -> bytes:
    """One record of a TFRecord file."""
    length = struct.pack("<Q", len(content))
    sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, content))
    return length + next(sums) + content + next(sums)


def predict_log(value: float, signature: str = "") -> bytes:
    log = prediction_log_pb2.PredictionLog()
    request: predict_pb2.PredictRequest = log.predict_log.request
    request.model_spec.name = "any"
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(make_tensor_proto([[value]], "float32"))
    return bytes(log.SerializeToString())


def session_log() -> bytes:
    log = prediction_log_pb2.PredictionLog()
    log.session_run_log.SetInParent()
    return bytes(log.SerializeToString())


def example_logs() -> list[bytes]:
    """One log for each method that takes examples."""
    logs = []
    for kind in ("classify", "regress", "multi_inference"):
        log = prediction_log_pb2.PredictionLog()
        request = getattr(log, f"{kind}_log").request
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2.0)
        if kind == "multi_inference":
            for method in ("classify", "regress"):
                task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
                task.model_spec.name = "m"
                task.model_spec.signature_name = f"{method}_x_to_y"
        else:
            request.model_spec.name = "m"
            request.model_spec.signature_name = f"{kind}_x_to_y"
        logs.append(log.SerializeToString())
    return logs


@pytest.fixture
def base_path(models: Path, tmp_path: Path) -> Path:
    shutil.copytree(models / "plus_two", tmp_path / "m")
    return tmp_path / "m"


def write_requests(base_path: Path, content: bytes) -> None:
    folder = base_path / "00000123" / "assets.extra"
    folder.mkdir()
    (folder / "tf_serving_warmup_requests").write_bytes(content)


def serve(start: Starts, base_path: Path, *flags: str, ready: bool = True) -> tuple[ServerProcess, Client]:
    port = free_port()
    own = [f"--port={port}", "--model_name=m", f"--model_base_path={base_path}", "--max_num_load_retries=0"]
    return start("plus_two", *own, *flags, ready=ready), Client(f"127.0.0.1:{port}", "m")


def test_every_kind_of_request_is_answered_first(start: Starts, base_path: Path) -> None:
    write_requests(base_path, b"".join(map(tf_record, [predict_log(2), *example_logs()])))
    server, client = serve(start, base_path, "--num_request_iterations_for_warmup=3")
    assert "Number of warmup records read: 4." in server.log
    assert server.log.index("warmup records read") < server.log.index("Successfully loaded servable version")
    assert client.predict(x=[[2.0]]).outputs["y"].float_val == [3.0]


def test_warmup_can_be_turned_off(start: Starts, base_path: Path) -> None:
    write_requests(base_path, b"no records")
    server, client = serve(start, base_path, "--enable_model_warmup=false")
    assert "warmup data" not in server.log
    assert client.predict(x=[[2.0]]).outputs["y"].float_val == [3.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tf_record(predict_log(2, "nowhere")), 'Serving signature key "nowhere" not found.'),
        (tf_record(b"\xff\xff"), "Failed to parse warmup record from"),
        (tf_record(predict_log(2))[:-1] + b"?", "Failed to read warmup records from"),
        (tf_record(predict_log(2))[:20], "Failed to read warmup records from"),
        (tf_record(predict_log(2)) * 1001, "Number of warmup records exceeds the maximum (1000) at"),
        (tf_record(session_log()), "Unsupported log_type for warmup"),
    ],
)
def test_bad_requests_keep_a_version_from_being_served(
    start: Starts, base_path: Path, content: bytes, message: str
) -> None:
    write_requests(base_path, content)
    server, _ = serve(start, base_path, ready=False)
    assert server.wait() == 255
    assert message in server.log
