"""Warm-up: recorded requests are answered before a version is published, so that its first callers need not wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from model_service.model_server.classify import classify
from model_service.model_server.multi_inference import multi_inference
from model_service.model_server.predict import predict
from model_service.model_server.regress import regress
from model_service.model_server.runtime import OpError, read_records
from model_service.model_server.status import Code, ServingError
from model_service.model_server.versions import Servable

_log = logging.getLogger(__name__)

_FILE = Path("assets.extra", "tf_serving_warmup_requests")
_MAX_RECORDS = 1000

_ANSWERS: Mapping[str, Callable[[Servable, Any], Any]] = {
    "predict_log": lambda servable, log: predict(servable, log.request, False),
    "classify_log": lambda servable, log: classify(servable, log.request, False),
    "regress_log": lambda servable, log: regress(servable, log.request, False),
    "multi_inference_log": lambda servable, log: multi_inference(servable, log.request, False),
}


def has_warmup_requests(directory: Path) -> bool:
    """Whether a version folder has recorded requests."""
    return (directory / _FILE).is_file()


def warm_up(servable: Servable, directory: Path, iterations: int) -> None:
    """Answer the requests that are recorded in a version folder.

    Args:
        servable: the loaded version.
        directory: its folder.
        iterations: how often each request is answered.

    Raises:
        ServingError: a record cannot be read, or the model cannot answer it: the version shall not be served.
    """
    path = directory / _FILE
    _log.info("Starting to read warmup data for model at %s", path)
    started = time.monotonic()
    count = 0
    for log in _read_logs(path):
        count += 1
        if count > _MAX_RECORDS:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {path}"
            )
        for _ in range(iterations):
            _answer(servable, log)
    _log.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d. Elapsed time: %.0f ms",
        path,
        count,
        (time.monotonic() - started) * 1000,
    )


def _read_logs(path: Path) -> Iterator[Any]:
    # Its message needs TensorFlow's session messages too, which no server without warm-up requests has to load.
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    try:
        for record in read_records(str(path)):
            yield PredictionLog.FromString(record)
    except OpError as error:
        raise ServingError(Code.DATA_LOSS, f"Failed to read warmup records from {path}: {error.message}") from error
    except DecodeError as error:
        raise ServingError(Code.INVALID_ARGUMENT, f"Failed to parse warmup record from {path}") from error


def _answer(servable: Servable, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:
        return
    answer = _ANSWERS.get(kind)
    if answer is None:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    answer(servable, getattr(log, kind))
