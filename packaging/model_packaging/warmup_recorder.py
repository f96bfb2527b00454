"""The process that records warm-up requests: it houses the package and lets no Predict leave."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from model_packaging.errors import BuildRefused
from model_packaging.tf_record import write_records
from model_service.batch.items import FileContent, Item
from model_service.batch.requests import RequestMaker
from model_service.errors import BackendUnavailable, ModelServiceError, RequestError
from model_service.inference.assembly import AssembledService, assemble
from model_service.inference.images import DEFAULT_MAX_PIXELS
from model_service.inference.preparation import ServiceOptions, prepare
from model_service.tfs.prediction_log import predict_log

_MODEL_NAME = "serve"
_MAX_SAMPLE_BYTES = 100_000_000


class _Recorded(Exception):
    """A Predict was recorded; its request ends here."""


class _Recorder:
    """Takes the Predicts of a package."""

    def __init__(self, service: AssembledService):
        self.logs: list[bytes] = []
        self._runtime = service.runtime
        self._runtime.predict_through(self._record)

    def _record(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self.logs.append(predict_log(inputs, self._runtime.signature, _MODEL_NAME))
        raise _Recorded("recorded for the warm-up")


def main(argv: Sequence[str]) -> int:
    """Carry out the order in a file, and write what went wrong, or null, into another."""
    order_path, result_path = map(Path, argv)
    order = json.loads(order_path.read_bytes())
    os.dup2(2, 1)  # what the author's code prints must not mix with what the command prints
    problem = None
    try:
        _record_all(order)
    except ModelServiceError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
    result_path.write_text(json.dumps(problem), encoding="utf-8")
    return 0 if problem is None else 1


def _record_all(order: Mapping[str, Any]) -> None:
    run_root = Path(order["run_root"])
    run_root.mkdir(mode=0o700)
    preparation = prepare(_service_options(Path(order["package"])), run_root)
    service = assemble(preparation.plan, run_root / "recorder")
    requests = RequestMaker(preparation.plan.config, None, None, _MAX_SAMPLE_BYTES, DEFAULT_MAX_PIXELS)
    recorder = _Recorder(service)
    for index, path in enumerate(order["samples"]):
        already = len(recorder.logs)
        reason = "its _preprocess and _inference ended without asking the model"
        try:
            service.pipeline.run(requests.request(Item(index, Path(path).name, FileContent(path))))
        except ModelServiceError as error:
            reason = _reason(error)
        if len(recorder.logs) == already:
            raise BuildRefused(f"--warmup-samples {path}: {reason}")
        del recorder.logs[already + 1 :]  # one for each sample
    output = Path(order["output"])
    output.parent.mkdir(exist_ok=True)
    write_records(output, recorder.logs)


def _service_options(package: Path) -> ServiceOptions:
    return ServiceOptions(
        package=package,
        service=None,
        model_name=_MODEL_NAME,
        backend="embedded",
        sidecar="never",
        validate_request=None,
        validate_response="off",
        threads=1,
        wait_seconds=1.0,
        max_image_pixels=DEFAULT_MAX_PIXELS,
    )


def _reason(error: ModelServiceError) -> str:
    cause = error.__cause__
    if isinstance(error, BackendUnavailable) or isinstance(cause, BackendUnavailable):
        return "the package calls the model server itself, not by the base class's _inference; that cannot be recorded"
    if isinstance(error, RequestError) and error.violations:
        places = ", ".join(f"{each.pointer or '(whole)'}: expected {each.expected}" for each in error.violations)
        return f"{error}: {places}"
    return f"{type(cause).__name__}: {cause}" if cause is not None else str(error)


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads of the author's code must not keep it alive
