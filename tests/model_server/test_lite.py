"""TensorFlow Lite models over the wire: what they say of themselves, what they refuse; a refusal hurts nobody."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from model_service.tfs.protos import get_model_metadata_pb2

from .conftest import Client, Connects, ServerProcess, Starts, values

PREFER = "--prefer_tflite_model=true"
LOAD_ONCE = "--max_num_load_retries=0"
Lite = Callable[..., Client]


@pytest.fixture(scope="module")
def lite(start: Starts, connect: Connects) -> Lite:
    """``lite(kind, *flags)`` is a client of a server with that model; one server per kind and flags."""
    clients: dict[tuple[str, ...], Client] = {}

    def client_of(kind: str, *flags: str) -> Client:
        key = (kind, *flags)
        if key not in clients:
            clients[key] = connect(start(kind, PREFER, *flags))
        return clients[key]

    return client_of


def signatures_of(client: Client) -> dict[str, Any]:
    """The signatures in the answer to GetModelMetadata."""
    answer = client.prediction.GetModelMetadata(client.metadata_request("signature_def"), 20)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    return dict(found.signature_def)


def shape_of(info: Any) -> list[int]:
    return [dimension.size for dimension in info.tensor_shape.dim]


def floats(*rows: list[float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("kind", "tensors", "shape"),
    [
        ("tflite", {"x": "x", "y": "y"}, [1]),
        ("tflite_with_signature", {"x": "serving_default_x:0", "y": "PartitionedCall:0"}, [-1]),
        ("tflite_with_metadata", {"x": "tflite_input", "y": "tflite_output"}, [1, 1]),
    ],
)
def test_metadata(lite: Lite, kind: str, tensors: dict[str, str], shape: list[int]) -> None:
    found = signatures_of(lite(kind))
    assert set(found) == {"serving_default"}
    definition = found["serving_default"]
    assert definition.method_name == "tensorflow/serving/predict"
    infos = {**definition.inputs, **definition.outputs}
    assert {alias: info.name for alias, info in infos.items()} == tensors
    assert {info.dtype for info in infos.values()} == {1}
    assert [shape_of(info) for info in infos.values()] == [shape, shape]


def test_the_batch_may_have_any_size(lite: Lite) -> None:
    client = lite("tflite_dense")
    for rows in (1, 3, 2, 0, 1):
        answer = client.predict(x=np.ones([rows, 3], np.float32))
        assert values(answer.outputs["y"]) == [[3.0, 3.0]] * rows


def test_an_input_of_another_rank_with_as_many_elements_is_taken_in_the_shape_of_the_model(lite: Lite) -> None:
    assert values(lite("tflite_with_metadata").predict(x=floats([2.0])[0]).outputs["y"]) == [[3.0]]


def test_a_shape_that_does_not_fit_is_refused_and_the_next_call_is_unharmed(lite: Lite) -> None:
    client = lite("tflite_dense", "--num_tflite_pools=1", "--num_tflite_interpreters_per_pool=1")
    for shape in ([2, 4], [], [5]):
        code, text = client.refusal(client.request(x=np.ones(shape, np.float32)))
        assert code is grpc.StatusCode.INTERNAL
        assert text.startswith(
            "Failed to AllocateTensors() due to change in input tensor serving_default_x:0 size from 12 to "
            f"{4 * int(np.prod(shape))} bytes."
        )
        assert str(shape) in text
        assert values(client.predict(x=floats([1, 2, 3])).outputs["y"]) == [[6.0, 6.0]]


def test_an_element_type_that_does_not_fit_is_refused_and_the_next_call_is_unharmed(lite: Lite) -> None:
    client = lite("tflite_dense")
    code, text = client.refusal(client.request(x=np.ones([1, 3], np.float64)))
    assert (code, text) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Expects arg[0] to be float but double is provided",
    )
    assert values(client.predict(x=floats([1, 2, 3])).outputs["y"]) == [[6.0, 6.0]]


def test_a_failure_within_the_model_is_refused_and_the_next_call_is_unharmed(lite: Lite) -> None:
    client = lite("tflite_strings")
    words = np.array([b"zero", b"one\0", b"\xff"], dtype=object)
    code, text = client.refusal(client.request(word=words, position=np.array([7], np.int32)))
    assert code is grpc.StatusCode.INTERNAL
    assert "gather" in text.lower()
    assert values(client.predict(word=words, position=np.array([2], np.int32)).outputs["chosen"]) == [b"\xff"]


def test_strings(lite: Lite) -> None:
    words = np.array([b"zero", b"one\0", b"", b"\xff"], dtype=object)
    answer = lite("tflite_strings").predict(word=words, position=np.array([1, 3, 2, 0], np.int32))
    assert values(answer.outputs["chosen"]) == [b"one\0", b"\xff", b"", b"zero"]


def test_every_signature_runs_its_own_graph(lite: Lite) -> None:
    client = lite("tflite_two")
    assert set(signatures_of(client)) == {"double", "triple"}
    for signature, factor in (("triple", 3), ("double", 2), ("triple", 3)):
        answer = client.predict(signature, x=floats([1.0], [2.0]))
        assert values(answer.outputs["y"]) == [[factor], [2 * factor]]
        assert answer.model_spec.signature_name == signature


@pytest.mark.parametrize("flags", [(), ("--enable_batching=true",), ("--num_tflite_pools=1",)])
def test_eight_callers_at_once_get_their_own_answers(lite: Lite, flags: tuple[str, ...]) -> None:
    client = lite("tflite_dense", *flags)

    def call(number: int) -> bool:
        rows = 1 + number % 4
        answer = client.predict(x=np.full([rows, 3], number, np.float32))
        return values(answer.outputs["y"]) == [[3.0 * number] * 2] * rows

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(call, range(400)))


def test_without_the_flag_the_saved_model_is_read(start: Starts) -> None:
    server = start("tflite_dense", LOAD_ONCE, ready=False)
    assert server.wait() == 255
    assert "saved_model.pb" in server.log


def test_with_the_flag_a_folder_without_a_lite_model_is_read_as_a_saved_model(lite: Lite) -> None:
    assert values(lite("half_plus_two").predict(x=floats([2.0])).outputs["y"]) == [[4.0]]


@pytest.fixture
def failing(start: Starts, tmp_path: Path) -> Callable[[bytes], str]:
    """``failing(content)`` starts a server, which must end, on a file of that content; returns its log."""

    def log_of(content: bytes) -> str:
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "model.tflite").write_bytes(content)
        server: ServerProcess = start("any", PREFER, LOAD_ONCE, f"--model_base_path={tmp_path}", ready=False)
        assert server.wait() == 255
        return server.log

    return log_of


@pytest.mark.parametrize("part", ["nothing", "text", "half"])
def test_a_broken_file_is_named(failing: Callable[[bytes], str], models: Path, tmp_path: Path, part: str) -> None:
    whole = (models / "tflite_dense" / "00000123" / "model.tflite").read_bytes()
    log = failing({"nothing": b"", "text": b"no model" * 100, "half": whole[: len(whole) // 2]}[part])
    assert f"INVALID_ARGUMENT: {tmp_path}/1/model.tflite: " in log
    assert "Traceback" not in log


def test_broken_signatures_in_the_metadata_are_named(failing: Callable[[bytes], str], models: Path) -> None:
    whole = (models / "tflite_with_metadata" / "00000123" / "model.tflite").read_bytes()
    log = failing(whole.replace(b"tflite_input:0", b"tflite_inputs:"))
    assert "INTERNAL: Cannot find signature def input name from tflite input tensor tflite_input" in log
    assert "Traceback" not in log


def test_without_litert_the_server_says_what_to_install(start: Starts, tmp_path: Path) -> None:
    hidden = tmp_path / "ai_edge_litert"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError('not here')", "utf-8")
    server = start("tflite", PREFER, LOAD_ONCE, ready=False, environment={"PYTHONPATH": str(tmp_path)})
    assert server.wait() == 255
    assert "pip install 'tf-model-service[litert]'" in server.log
    assert "Traceback" not in server.log
    shutil.rmtree(hidden)
