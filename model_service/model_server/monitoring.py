"""Metrics under the real server's names, and their page in Prometheus' text format.

Written here and not with prometheus_client, because that library adds ``_total`` and ``_created`` to counters and
refuses labels and names as the real server writes them; dashboards made for it would find nothing.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from model_service.model_server.core import ServerCore
from model_service.model_server.engine import Signature
from model_service.model_server.messages import ModelSpec
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

PAGE_PATH = "/monitoring/prometheus/metrics"
_CONTENT_TYPE = "text/plain"
# Requests for models that are not served share one name: a client must not fill the memory with names.
_UNKNOWN_MODEL = "unknown"
_LATENCY_BUCKETS = tuple(10 * 1.8**power for power in range(33))  # microseconds, to about 20 minutes
_EXAMPLE_BUCKETS = tuple(2.0**power for power in range(15))

Labels = tuple[str, ...]
Cell = TypeVar("Cell")


class _Metric(Generic[Cell]):
    """One metric: a cell per combination of label values. Safe to use from any thread."""

    kind = ""

    def __init__(self, name: str, labels: Labels, make_cell: Callable[[], Cell]):
        self.name = name
        self._labels = labels
        self._make_cell = make_cell
        self._cells: dict[Labels, Cell] = {}
        self._lock = threading.Lock()

    def _cell(self, values: Labels) -> Cell:
        cell = self._cells.get(values)
        return self._cells.setdefault(values, self._make_cell()) if cell is None else cell

    def lines(self) -> list[str]:
        """The metric's part of the page."""
        with self._lock:
            body = [
                line
                for values, cell in self._cells.items()
                for line in self._cell_lines(self._label_text(values), cell)
            ]
        return [f"# TYPE {self.name} {self.kind}", *body] if body else []

    def _label_text(self, values: Labels) -> str:
        return ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(self._labels, values, strict=True))

    def _cell_lines(self, labels: str, cell: Cell) -> list[str]:
        raise NotImplementedError


class Counter(_Metric[list[int]]):
    """Counts up."""

    kind = "counter"

    def __init__(self, name: str, *labels: str):
        super().__init__(name, labels, lambda: [0])

    def add(self, amount: int, *values: str) -> None:
        """Add to the cell of these label values."""
        with self._lock:
            self._cell(values)[0] += amount

    def _cell_lines(self, labels: str, cell: list[int]) -> list[str]:
        return [f"{self.name}{{{labels}}} {cell[0]}"]


class _Distribution:
    __slots__ = ("counts", "total")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.total = 0.0


class Histogram(_Metric[_Distribution]):
    """Distributes values over buckets.

    Args:
        name: of the metric.
        limits: the greatest value of each bucket, ascending; one bucket for all that is greater is added.
        labels: their names.
    """

    kind = "histogram"

    def __init__(self, name: str, limits: tuple[float, ...], *labels: str):
        super().__init__(name, labels, partial(_Distribution, len(limits) + 1))
        self._limits = limits

    def observe(self, value: float, *values: str) -> None:
        """Add a value to the cell of these label values."""
        bucket = bisect_left(self._limits, value)
        with self._lock:
            cell = self._cell(values)
            cell.counts[bucket] += 1
            cell.total += value

    def _cell_lines(self, labels: str, cell: _Distribution) -> list[str]:
        lines = []
        total = 0
        for limit, count in zip([*(f"{limit:g}" for limit in self._limits), "+Inf"], cell.counts, strict=True):
            total += count
            lines.append(f'{self.name}_bucket{{{labels},le="{limit}"}} {total}')
        return [*lines, f"{self.name}_sum{{{labels}}} {cell.total:.15g}", f"{self.name}_count{{{labels}}} {total}"]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _latency(name: str, *labels: str) -> Histogram:
    return Histogram(name, _LATENCY_BUCKETS, *labels)


class Metrics:
    """All metrics of a server. The values of latencies are microseconds."""

    def __init__(self) -> None:
        self.request_count = Counter(":tensorflow:serving:request_count", "model_name", "status")
        self.request_latency = _latency(":tensorflow:serving:request_latency", "model_name", "API", "entrypoint")
        self.runtime_latency = _latency(":tensorflow:serving:runtime_latency", "model_name", "API", "runtime")
        self.warmup_latency = _latency(":tensorflow:serving:model_warmup_latency", "model_path", "status")
        self.example_counts = Histogram(":tensorflow:serving:request_example_counts", _EXAMPLE_BUCKETS, "model")
        self.example_count_total = Counter(":tensorflow:serving:request_example_count_total", "model")
        self.graph_runs = Counter(":tensorflow:core:graph_runs")
        self.graph_run_time = Counter(":tensorflow:core:graph_run_time_usecs")
        self.load_attempts = Counter(":tensorflow:cc:saved_model:load_attempt_count", "model_path", "status")
        self.load_latency = Counter(":tensorflow:cc:saved_model:load_latency", "model_path")
        self._request = threading.local()  # which API the thread is working for

    def page(self) -> tuple[str, bytes]:
        """Return content type and text of the page."""
        metrics: Sequence[_Metric[Any]] = [each for each in vars(self).values() if isinstance(each, _Metric)]
        lines = [line for metric in sorted(metrics, key=lambda each: each.name) for line in metric.lines()]
        return _CONTENT_TYPE, "\n".join([*lines, ""]).encode()

    def observe_request(self, answer: Callable[[], Any], model: str, api: str, entrypoint: str) -> Any:
        """Call ``answer``; record its status, and how long it took if it is an answer, as the real server does."""
        self._request.api = api
        code = Code.OK
        started = time.perf_counter()
        try:
            response = answer()
            self.request_latency.observe((time.perf_counter() - started) * 1e6, model, api, entrypoint)
            return response
        except ServingError as error:
            code = error.code
            raise
        except Exception:
            code = Code.INTERNAL
            raise
        finally:
            self.request_count.add(1, model, code.name)

    def observe_examples(self, model: str, count: int) -> None:
        """Record how many examples a request had."""
        self.example_counts.observe(count, model)
        self.example_count_total.add(count, model)

    def observe_run(self, model: str, seconds: float) -> None:
        """Record how long the runtime took for the request this thread is working for."""
        api = getattr(self._request, "api", None)
        if api is not None:  # None: a warm-up
            self.runtime_latency.observe(seconds * 1e6, model, api, "TF1")
        self.graph_runs.add(1)
        self.graph_run_time.add(int(seconds * 1e6))

    def observe_warmup(self, path: str, seconds: float) -> None:
        """Record that a version folder's recorded requests were answered."""
        self.warmup_latency.observe(seconds * 1e6, path, "OK")

    def observe_load(self, path: str, seconds: float, is_loaded: bool) -> None:
        """Record that a version folder was loaded, or was not."""
        self.load_attempts.add(1, path, "success" if is_loaded else "fail")
        self.load_latency.add(int(seconds * 1e6), path)


class MonitoredCore(ServerCore):
    """A core that records every inference request.

    Args:
        metrics: where to record.
        entrypoint: through which door the requests come: ``GRPC`` or ``REST``.
        options: those of ServerCore.
    """

    def __init__(self, metrics: Metrics, entrypoint: str, *options: Any):
        super().__init__(*options)
        self._metrics = metrics
        self._entrypoint = entrypoint

    def predict(self, request: Any) -> Any:
        """Answer a PredictRequest."""
        return self._observe("Predict", request.model_spec, partial(super().predict, request))

    def predict_arrays(self, spec: Any, read: Callable[[Signature], Mapping[str, Array]]) -> dict[str, Any]:
        """Answer a prediction whose tensors came in no message."""
        outputs: dict[str, Any] = self._observe("Predict", spec, partial(super().predict_arrays, spec, read))
        return outputs

    def classify(self, request: Any) -> Any:
        """Answer a ClassificationRequest."""
        return self._observe_examples("Classify", request.model_spec, request.input, partial(super().classify, request))

    def regress(self, request: Any) -> Any:
        """Answer a RegressionRequest."""
        return self._observe_examples("Regress", request.model_spec, request.input, partial(super().regress, request))

    def multi_inference(self, request: Any) -> Any:
        """Answer a MultiInferenceRequest."""
        spec = request.tasks[0].model_spec if request.tasks else ModelSpec()
        answer = partial(super().multi_inference, request)
        return self._observe_examples("MultiInference", spec, request.input, answer)

    def _observe_examples(self, api: str, spec: Any, sent: Any, answer: Callable[[], Any]) -> Any:
        response = self._observe(api, spec, answer)
        self._metrics.observe_examples(spec.name, len(getattr(sent, sent.WhichOneof("kind")).examples))
        return response

    def _observe(self, api: str, spec: Any, answer: Callable[[], Any]) -> Any:
        name = spec.name if self._manager.is_known(spec.name) else _UNKNOWN_MODEL
        return self._metrics.observe_request(answer, name, api, self._entrypoint)
