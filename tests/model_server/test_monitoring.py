"""The page of metrics, after real requests through both doors."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import pytest

from model_service.model_server.monitoring import Counter, Histogram, Metrics
from model_service.tfs.protos import message_module

from .conftest import CALL_SECONDS, Client, Connects, Starts, free_port

PAGE = "/monitoring/prometheus/metrics"
SERVING = ":tensorflow:serving:"
FAILURE = 255

classification_pb2 = message_module("classification_pb2")
regression_pb2 = message_module("regression_pb2")


class Monitored:
    """A server with a page of metrics."""

    def __init__(self, start: Starts, connect: Connects, config: Path, *flags: str, kind: str = "half_plus_two"):
        self.rest_port = free_port()
        self.server = start(kind, f"--monitoring_config_file={config}", f"--rest_api_port={self.rest_port}", *flags)
        self.client: Client = connect(self.server)

    def http(self, path: str, body: object = None) -> tuple[int, str, str]:
        """Return status, content type and body."""
        connection = HTTPConnection("127.0.0.1", self.rest_port, timeout=CALL_SECONDS)
        try:
            connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", ""), answer.read().decode()
        finally:
            connection.close()

    def samples(self) -> dict[str, float]:
        """The page's values by name with labels."""
        status, content_type, page = self.http(PAGE)
        assert (status, content_type) == (200, "text/plain")
        assert page.endswith("\n")
        lines = [line for line in page.splitlines() if not line.startswith("# TYPE ")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def _config(path: Path, text: str = "prometheus_config { enable: true }") -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def monitored(start: Starts, connect: Connects, tmp_path: Path) -> Monitored:
    return Monitored(start, connect, _config(tmp_path / "monitoring.txt"))


def _example_request(request_type: Any, count: int, signature: str) -> Any:
    request = request_type()
    request.model_spec.name = "half_plus_two"
    request.model_spec.signature_name = signature
    for _ in range(count):
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(2.0)
    return request


def test_every_request_is_counted_through_both_doors(monitored: Monitored) -> None:
    client = monitored.client
    before = monitored.samples()
    assert not [name for name in before if name.startswith(SERVING + "request")]
    for _ in range(3):
        client.predict(x=[[2.0]])
    classify = _example_request(classification_pb2.ClassificationRequest, 3, "classify_x_to_y")
    client.prediction.Classify(classify, CALL_SECONDS)
    client.prediction.Regress(_example_request(regression_pb2.RegressionRequest, 2, "regress_x_to_y"), CALL_SECONDS)
    client.refusal(client.request(signature="nope", x=[[2.0]]))
    model = "/v1/models/half_plus_two"
    assert monitored.http(f"{model}:predict", {"instances": [[2.0]]})[0] == 200
    assert monitored.http(f"{model}:predict", {"signature_name": "nope", "instances": [[2.0]]})[0] == 400
    after = monitored.samples()
    served = 'model_name="half_plus_two"'
    assert after[f'{SERVING}request_count{{{served},status="OK"}}'] == 6
    assert after[f'{SERVING}request_count{{{served},status="FAILED_PRECONDITION"}}'] == 1
    assert after[f'{SERVING}request_count{{{served},status="INVALID_ARGUMENT"}}'] == 1
    for api, entrypoint, count in (("Predict", "GRPC", 3), ("Classify", "GRPC", 1), ("Predict", "REST", 1)):
        labels = f'{served},API="{api}",entrypoint="{entrypoint}"'
        assert after[f"{SERVING}request_latency_count{{{labels}}}"] == count
        assert after[f'{SERVING}request_latency_bucket{{{labels},le="+Inf"}}'] == count
        assert 10 < after[f"{SERVING}request_latency_sum{{{labels}}}"] < 20e6 * count
    runs = f'{served},API="Predict",runtime="TF1"'
    whole = sum(
        after[f'{SERVING}request_latency_sum{{{served},API="Predict",entrypoint="{door}"}}']
        for door in ("GRPC", "REST")
    )
    assert after[f"{SERVING}runtime_latency_count{{{runs}}}"] == 4
    assert 0 < after[f"{SERVING}runtime_latency_sum{{{runs}}}"] < whole
    assert after[":tensorflow:core:graph_runs{}"] == 6
    assert after[f'{SERVING}request_example_count_total{{model="half_plus_two"}}'] == 5
    assert after[f'{SERVING}request_example_counts_bucket{{model="half_plus_two",le="2"}}'] == 1
    assert after[f'{SERVING}request_example_counts_bucket{{model="half_plus_two",le="4"}}'] == 2


def test_the_page_is_what_prometheus_reads(monitored: Monitored) -> None:
    monitored.client.predict(x=[[2.0]])
    page = monitored.http(PAGE)[2]
    name, label = r":?[a-z_]+(?::[a-z_]+)*", r'[a-zA-Z_]+="(?:[^"\\\n]|\\["\\n])*"'
    kinds: dict[str, str] = {}
    for line in page.splitlines():
        if line.startswith("#"):
            declared, kind = re.fullmatch(rf"# TYPE ({name}) (counter|histogram)", line).groups()  # type: ignore[union-attr]
            assert declared not in kinds
            kinds[declared] = kind
        else:
            sample = re.fullmatch(rf"({name})\{{(?:{label}(?:,{label})*)?\}} [0-9.e+-]+", line)
            assert sample is not None, line
            assert re.sub("_(bucket|sum|count)$", "", sample[1]) == declared or sample[1] == declared, line
    limits = re.findall(rf'{SERVING}request_latency_bucket\{{.*le="([^"]+)"\}}', page)
    assert limits[:5] == ["10", "18", "32.4", "58.32", "104.976"]
    assert (len(limits), limits[-1]) == (34, "+Inf")
    assert kinds[f"{SERVING}request_count"] == "counter"
    assert kinds[f"{SERVING}request_latency"] == "histogram"


def test_unknown_models_add_no_labels(monitored: Monitored) -> None:
    for number in range(20):
        request = monitored.client.request(x=[[2.0]])
        request.model_spec.name = f'model"{number}'
        monitored.client.refusal(request)
        monitored.http(f"/v1/models/model{number}:predict", {"instances": [1.0]})
    samples = monitored.samples()
    assert samples[f'{SERVING}request_count{{model_name="unknown",status="NOT_FOUND"}}'] == 40
    assert not [name for name in samples if "model1" in name]


def test_loads_good_and_bad_are_counted(start: Starts, connect: Connects, models: Path, tmp_path: Path) -> None:
    base = tmp_path / 'with "quotes"'
    shutil.copytree(models / "half_plus_two" / "00000007", base / "7")
    flags = (f"--model_base_path={base}", "--max_num_load_retries=0", "--file_system_poll_wait_seconds=1")
    monitored = Monitored(start, connect, _config(tmp_path / "monitoring.txt"), *flags)
    (base / "8").mkdir()
    monitored.server.wait_for(r"version: 8} failed")
    path = str(base).replace('"', '\\"')
    attempts = ":tensorflow:cc:saved_model:load_attempt_count"
    deadline = time.monotonic() + 10
    while f'{attempts}{{model_path="{path}/8",status="fail"}}' not in (samples := monitored.samples()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert samples[f'{attempts}{{model_path="{path}/7",status="success"}}'] == 1
    assert samples[f'{attempts}{{model_path="{path}/8",status="fail"}}'] == 1
    assert samples[f':tensorflow:cc:saved_model:load_latency{{model_path="{path}/7"}}'] > 1000


def test_another_path(start: Starts, connect: Connects, tmp_path: Path) -> None:
    config = _config(tmp_path / "monitoring.txt", 'prometheus_config { enable: true, path: "/v1/metrics" }')
    monitored = Monitored(start, connect, config)
    assert "# TYPE" in monitored.http("/v1/metrics")[2]
    assert monitored.http(PAGE)[0] == 404


@pytest.mark.parametrize("text", ["", "prometheus_config { enable: false }"])
def test_nothing_is_shown_unless_asked_for(start: Starts, connect: Connects, tmp_path: Path, text: str) -> None:
    monitored = Monitored(start, connect, _config(tmp_path / "monitoring.txt", text))
    assert monitored.http(PAGE)[0] == 404


@pytest.mark.parametrize(
    ("text", "message"),
    [("no message", "Invalid protobuf file: '{path}'"), (None, "NOT_FOUND: {path}; No such file or directory")],
)
def test_an_unusable_file_ends_the_start(start: Starts, tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "monitoring.txt"
    if text is not None:
        _config(path, text)
    server = start("half_plus_two", f"--monitoring_config_file={path}", ready=False)
    assert server.wait() == FAILURE
    assert message.format(path=path) in server.log
    assert "Traceback" not in server.log


def test_a_late_or_cancelled_call_that_waited_for_a_thread_is_not_run(
    start: Starts, connect: Connects, tmp_path: Path
) -> None:
    """Only what is running when its caller gives up goes on; the metrics tell that nothing else ran."""
    config = _config(tmp_path / "monitoring.txt")
    monitored = Monitored(start, connect, config, "--grpc_max_threads=1", kind="slow")
    client = monitored.client
    predict: Any = client.prediction.Predict
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.predict, n=1_500_000)
        time.sleep(0.3)
        late = [predict.future(client.request(n=1_000_000), timeout=0.2) for _ in range(3)]
        cancelled = predict.future(client.request(n=1_000_000), timeout=CALL_SECONDS)
        time.sleep(0.1)
        cancelled.cancel()
        assert {call.code() for call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert not running.done()
        assert running.result(CALL_SECONDS).outputs["counted"].int_val == [1_500_000]
    client.predict(n=1)
    assert monitored.samples()[":tensorflow:core:graph_runs{}"] == 2


def test_label_values_are_escaped() -> None:
    counter = Counter("c", "a")
    counter.add(1, 'a "b" \\ c\nd')
    assert counter.lines()[1] == r'c{a="a \"b\" \\ c\nd"} 1'


def test_nothing_is_lost_between_threads() -> None:
    counter, histogram = Counter("c", "a"), Histogram("h", (1.0,), "a")

    def work() -> None:
        for _ in range(5000):
            counter.add(1, "x")
            histogram.observe(2.0, "x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.lines() == ["# TYPE c counter", 'c{a="x"} 40000']
    assert histogram.lines()[1:] == [
        'h_bucket{a="x",le="1"} 0',
        'h_bucket{a="x",le="+Inf"} 40000',
        'h_sum{a="x"} 80000',
        'h_count{a="x"} 40000',
    ]


def test_recording_costs_microseconds() -> None:
    metrics = Metrics()
    best = min(_seconds_per_call(metrics) for _ in range(5))
    assert best < 20e-6  # 3 us on a quiet machine


def _seconds_per_call(metrics: Metrics) -> float:
    started = time.perf_counter()
    for _ in range(2000):
        metrics.observe_request(int, "m", "Predict", "GRPC")
    return (time.perf_counter() - started) / 2000
