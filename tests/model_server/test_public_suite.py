"""What the real server's own Python test suite asks of it, each test under its name there.

The models are written by ``write_models.py``; x / 2 + 2 of 2 is 3 everywhere, as in that suite.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from model_service.tfs.protos import message_module, tensor_pb2

from .conftest import CALL_SECONDS, Client, ServerProcess, Starts, free_port, wait_until

classification_pb2 = message_module("classification_pb2")
inference_pb2 = message_module("inference_pb2")
regression_pb2 = message_module("regression_pb2")

VERSION = 123
TESTS_OF_THE_REAL_SERVER = frozenset(
    {
        "testGetModelStatus",
        "testGetModelMetadata",
        "testClassify",
        "testClassifyTf2",
        "testRegress",
        "testRegressTf2",
        "testMultiInference",
        "testMultiInferenceTf2",
        "testPredictSavedModel",
        "testPredictUpconvertedSavedModel",
        "testGoodModelConfig",
        "testBadModelConfig",
        "testModelConfigReload",
        "testModelConfigReloadWithZeroPollPeriod",
        "testGoodGrpcChannelArgs",
        "testClassifyREST",
        "testRegressREST",
        "testPredictREST",
        "testPredictColumnarREST",
        "testGetStatusREST",
        "testGetModelMetadataREST",
        "testPrometheusEndpoint",
        "testPredictUDS",
        "testPredictOnTfLite",
        "testPredictWithSignatureDefOnTfLite",
        "test_tf_saved_model_save",
        "test_tf_saved_model_save_multiple_signatures",
        "test_sequential_keras_saved_model_save",
        "test_distrat_sequential_keras_saved_model_save",
        "test_profiler_service_with_valid_trace_request",
        "test_tf_text",
    }
)
# SessionBundle, the format before SavedModel, was dropped by the real server too.
NOT_COVERED = frozenset({"testPredictUpconvertedSavedModel"})
covered: set[str] = set()

Test = TypeVar("Test", bound=Callable[..., None])


def public(name: str) -> Callable[[Test], Test]:
    """Say which test of the real server's suite a test stands for."""

    def register(test: Test) -> Test:
        covered.add(name)
        return test

    return register


class Server:
    """A running server with its gRPC client and its REST port."""

    def __init__(self, process: ServerProcess, port: int, rest_port: int, model: str):
        self.process = process
        self.address = f"localhost:{port}"
        self.client = Client(self.address, model)
        self.rest_port = rest_port

    def rest(self, path: str, body: object = None) -> Any:
        """GET, or POST a body; the answer must be 200."""
        connection = HTTPConnection("localhost", self.rest_port, timeout=CALL_SECONDS)
        try:
            if body is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            return content.decode()
        finally:
            connection.close()

    def predict(self, model: str = "default", signature: str = "", y_only: bool = False, batch: bool = False) -> float:
        """Predict 2.0, with value fields and a shape of rank 1 as the suite sends it; return y."""
        request = self.client.request(signature)
        request.model_spec.name = model
        tensor = tensor_pb2.TensorProto(dtype=1, float_val=[2.0])
        tensor.tensor_shape.dim.add(size=1)
        if batch:
            tensor.tensor_shape.dim.add(size=1)
        request.inputs["x"].CopyFrom(tensor)
        if y_only:
            request.output_filter.append("y")
        answer = self.client.prediction.Predict(request, CALL_SECONDS)
        y = answer.outputs["y"]
        assert (y.dtype, len(y.float_val)) == (1, 1)
        assert answer.model_spec.name == model
        assert answer.model_spec.signature_name == (signature or "serving_default")
        assert answer.model_spec.version.value == VERSION
        return float(y.float_val[0])


RunServer = Callable[..., Server]


@pytest.fixture(scope="module")
def run(start: Starts, models: Path, socket_folder: Path) -> RunServer:
    """``run(kind, *flags)`` starts a server with gRPC, REST and a unix socket, or gives the one that runs already."""
    servers: dict[tuple[str, ...], Server] = {}

    def run_server(kind: str, *flags: str) -> Server:
        key = (kind, *flags)
        if key not in servers:
            port, rest_port = free_port(), free_port()
            own = [f"--port={port}", f"--rest_api_port={rest_port}", "--rest_api_timeout_in_ms=5000"]
            if not any(flag.startswith("--model_config_file=") for flag in flags):
                own += ["--model_name=default", f"--model_base_path={models / kind}"]
            process = start(kind, *own, *flags)
            servers[key] = Server(process, port, rest_port, "default")
        return servers[key]

    return run_server


def add_example(request: Any) -> Any:
    """Add one tf.Example with x = 2."""
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.append(2.0)
    return request


@public("testGetModelStatus")
def test_get_model_status(run: RunServer) -> None:
    statuses = run("plus_two").client.status().model_version_status
    assert [(status.version, status.status.error_code) for status in statuses] == [(VERSION, 0)]


@public("testGetModelMetadata")
def test_get_model_metadata(run: RunServer) -> None:
    client = run("plus_two").client
    answer = client.prediction.GetModelMetadata(client.metadata_request("signature_def"), CALL_SECONDS)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("default", VERSION)
    assert list(answer.metadata) == ["signature_def"]


@public("testClassify")
@public("testClassifyTf2")
@pytest.mark.parametrize("kind", ["plus_two", "half_plus_two_tf2"])
def test_classify(run: RunServer, kind: str) -> None:
    request = add_example(classification_pb2.ClassificationRequest())
    request.model_spec.name = "default"
    request.model_spec.signature_name = "classify_x_to_y"
    answer = run(kind).client.prediction.Classify(request, CALL_SECONDS)
    assert [[each.score for each in row.classes] for row in answer.result.classifications] == [[3.0]]
    assert answer.model_spec.signature_name == "classify_x_to_y"
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("default", VERSION)


@public("testRegress")
@public("testRegressTf2")
@pytest.mark.parametrize("kind", ["plus_two", "half_plus_two_tf2"])
def test_regress(run: RunServer, kind: str) -> None:
    request = add_example(regression_pb2.RegressionRequest())
    request.model_spec.name = "default"
    request.model_spec.signature_name = "regress_x_to_y"
    answer = run(kind).client.prediction.Regress(request, CALL_SECONDS)
    assert [row.value for row in answer.result.regressions] == [3.0]
    assert answer.model_spec.signature_name == "regress_x_to_y"
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("default", VERSION)


@public("testMultiInference")
@public("testMultiInferenceTf2")
@pytest.mark.parametrize("kind", ["plus_two", "half_plus_two_tf2"])
def test_multi_inference(run: RunServer, kind: str) -> None:
    request = add_example(inference_pb2.MultiInferenceRequest())
    for method in ("regress", "classify"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name = "default"
        task.model_spec.signature_name = f"{method}_x_to_y"
    first, second = run(kind).client.prediction.MultiInference(request, CALL_SECONDS).results
    assert [row.value for row in first.regression_result.regressions] == [3.0]
    assert [row.classes[0].score for row in second.classification_result.classifications] == [3.0]
    for result, method in ((first, "regress"), (second, "classify")):
        assert result.model_spec.name == "default"
        assert result.model_spec.signature_name == f"{method}_x_to_y"
        assert result.model_spec.version.value == VERSION


@public("testPredictSavedModel")
@pytest.mark.parametrize("y_only", [False, True])
def test_predict_saved_model(run: RunServer, y_only: bool) -> None:
    """A feed of rank 1 for a placeholder of rank 2 is what Python's ``Session`` refuses."""
    assert run("plus_two").predict(y_only=y_only) == 3.0


def config_text(**models: Path) -> str:
    """A text ModelServerConfig."""
    each = 'config: {{ name: "{}", base_path: "{}", model_platform: "tensorflow" }}'
    return f"model_config_list: {{ {' '.join(each.format(name, path) for name, path in models.items())} }}"


@public("testGoodModelConfig")
def test_good_model_config(run: RunServer, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "good.conf"
    path.write_text(config_text(half_plus_two=models / "plus_two", half_plus_three=models / "half_plus_three"), "utf-8")
    server = run("", f"--model_config_file={path}")
    for y_only in (False, True):
        assert server.predict("half_plus_two", y_only=y_only) == 3.0
        assert server.predict("half_plus_three", y_only=y_only) == 4.0


@public("testBadModelConfig")
def test_bad_model_config(start: Starts, tmp_path: Path) -> None:
    path = tmp_path / "bad.conf"
    path.write_text("improperly formatted file", "utf-8")
    server = start("plus_two", f"--port={free_port()}", f"--model_config_file={path}", ready=False)
    assert server.wait() != 0
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig" in server.log


@public("testModelConfigReload")
@public("testModelConfigReloadWithZeroPollPeriod")
def test_model_config_reload(run: RunServer, models: Path, tmp_path: Path) -> None:
    """Two servers read the same file; one of them looks at it again."""
    path = tmp_path / "models.conf"
    path.write_text(config_text(half_plus_two=models / "plus_two"), "utf-8")
    polling, idle = (
        run("", f"--model_config_file={path}", f"--model_config_file_poll_wait_seconds={seconds}") for seconds in (1, 0)
    )
    assert polling.predict("half_plus_two") == idle.predict("half_plus_two") == 3.0
    path.write_text(config_text(half_plus_three=models / "half_plus_three"), "utf-8")
    wait_until(lambda: can_predict(polling, "half_plus_three"))
    assert polling.predict("half_plus_three") == 4.0
    wait_until(lambda: not can_predict(polling, "half_plus_two"))
    assert idle.predict("half_plus_two") == 3.0
    assert not can_predict(idle, "half_plus_three")


def can_predict(server: Server, model: str) -> bool:
    """Whether a model answers."""
    try:
        server.predict(model)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return False
    return True


@public("testGoodGrpcChannelArgs")
def test_good_grpc_channel_arguments(run: RunServer) -> None:
    arguments = "grpc.max_connection_age_ms=2000,grpc.lb_policy_name=grpclb"
    assert run("plus_two", f"--grpc_channel_arguments={arguments}").predict() == 3.0


@public("testClassifyREST")
def test_classify_rest(run: RunServer) -> None:
    body = {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]}
    answer = run("plus_two").rest("/v1/models/default:classify", body)
    assert json.loads(answer) == {"results": [[["", 3.0]]]}


@public("testRegressREST")
def test_regress_rest(run: RunServer) -> None:
    body = {"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]}
    answer = run("plus_two").rest("/v1/models/default:regress", body)
    assert json.loads(answer) == {"results": [3.0]}


@public("testPredictREST")
def test_predict_rest(run: RunServer) -> None:
    answer = run("plus_two").rest("/v1/models/default:predict", {"instances": [2.0, 3.0, 4.0]})
    assert json.loads(answer) == {"predictions": [3.0, 3.5, 4.0]}


@public("testPredictColumnarREST")
def test_predict_columnar_rest(run: RunServer) -> None:
    answer = run("plus_two").rest("/v1/models/default:predict", {"inputs": [2.0, 3.0, 4.0]})
    assert json.loads(answer) == {"outputs": [3.0, 3.5, 4.0]}


@public("testGetStatusREST")
def test_get_status_rest(run: RunServer) -> None:
    status = {"version": "123", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    answer = run("plus_two").rest("/v1/models/default")
    assert json.loads(answer) == {"model_version_status": [status]}


@public("testGetModelMetadataREST")
def test_get_model_metadata_rest(run: RunServer) -> None:
    metadata = json.loads(run("plus_two").rest("/v1/models/default/metadata"))
    assert metadata["model_spec"] == {"name": "default", "signature_name": "", "version": "123"}
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) >= {"serving_default", "classify_x_to_y", "regress_x_to_y"}
    batch_of_ones = [{"size": "-1", "name": ""}, {"size": "1", "name": ""}]
    floats = {"dtype": "DT_FLOAT", "tensor_shape": {"dim": batch_of_ones, "unknown_rank": False}}
    serving = signatures["serving_default"]
    assert serving["inputs"] == {"x": {**floats, "name": "x:0"}}
    assert serving["outputs"] == {"y": {**floats, "name": "y:0"}}
    assert serving["method_name"] == "tensorflow/serving/predict"
    assert signatures["classify_x_to_y"]["method_name"] == "tensorflow/serving/classify"
    assert set(signatures["classify_x_to_y"]["outputs"]) == {"scores"}
    assert signatures["classify_x_to_y"]["inputs"]["inputs"]["dtype"] == "DT_STRING"
    assert set(signatures["regress_x_to_y"]["outputs"]) == {"outputs"}


@public("testPrometheusEndpoint")
def test_prometheus_endpoint(run: RunServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("monitoring") / "monitoring.conf"
    path.write_text('prometheus_config: { enable: true, path: "/monitoring/prometheus/metrics" }', "utf-8")
    server = run("plus_two", f"--monitoring_config_file={path}")
    server.predict()
    page = server.rest("/monitoring/prometheus/metrics")
    assert "# TYPE" in page
    assert ':tensorflow:serving:request_count{model_name="default",status="OK"} 1' in page


@public("testPredictUDS")
def test_predict_over_a_unix_socket(run: RunServer) -> None:
    server = run("plus_two")
    path = next(flag.partition("=")[2] for flag in server.process.flags if flag.startswith("--grpc_socket_path="))
    server = Server(server.process, 0, server.rest_port, "default")
    server.client = Client(f"unix:{path}", "default")
    assert server.predict() == 3.0


@public("testPredictOnTfLite")
@public("testPredictWithSignatureDefOnTfLite")
@pytest.mark.parametrize("kind", ["tflite", "tflite_with_signature", "tflite_with_metadata"])
def test_predict_on_tensorflow_lite(run: RunServer, kind: str) -> None:
    assert run(kind, "--prefer_tflite_model=true").predict() == 3.0


@public("test_tf_saved_model_save")
def test_saved_model_of_a_checkpoint(run: RunServer) -> None:
    assert run("saved_checkpoint").predict() == 12.0


@public("test_tf_saved_model_save_multiple_signatures")
def test_saved_model_with_several_signatures(run: RunServer) -> None:
    server = run("two_functions")
    assert server.predict(signature="custom_signature_key") == 2.0
    assert server.predict() == 1.0


@public("test_sequential_keras_saved_model_save")
@public("test_distrat_sequential_keras_saved_model_save")
@pytest.mark.parametrize("kind", ["keras_sequential", "keras_distributed"])
def test_keras_saved_models(run: RunServer, kind: str) -> None:
    assert run(kind).predict(batch=True) == 2.0


@public("test_profiler_service_with_valid_trace_request")
def test_profiler_service(run: RunServer, tmp_path: Path) -> None:
    """TensorFlow's own profiler client takes a trace of one second while predictions run."""
    server = run("plus_two")
    script = (
        "import sys; from tensorflow.python.profiler import profiler_client; "
        "profiler_client.trace(sys.argv[1], sys.argv[2], 1000, '', 10)"
    )
    is_over = threading.Event()

    def keep_busy() -> None:
        while not is_over.wait(0.01):
            server.rest("/v1/models/default:predict", {"instances": [2.0, 3.0, 4.0]})

    busy = threading.Thread(target=keep_busy)
    busy.start()
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, server.address, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        is_over.set()
        busy.join()
    assert done.returncode == 0, done.stderr
    traces = list(tmp_path.rglob("*.xplane.pb"))
    assert traces, done.stderr
    assert traces[0].stat().st_size > 0


@public("test_tf_text")
@pytest.mark.skipif(find_spec("tensorflow_text") is None, reason="there is no tensorflow-text for this TensorFlow")
def test_tensorflow_text(run: RunServer) -> None:
    """Its operations are loaded from the installed package when a model needs them."""
    assert run("text").predict() == 3.0


def test_the_whole_suite_is_covered() -> None:
    assert covered == TESTS_OF_THE_REAL_SERVER - NOT_COVERED
    assert len(covered) >= 30
