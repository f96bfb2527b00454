"""The running half of a check: the package is started, sent requests, and judged by what it does."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.running.exercise import Exercise
from model_packaging.check.running.folder_state import changed_files, folder_state
from model_packaging.check.running.judge_failures import judge_end
from model_packaging.check.running.limits import Limits
from model_packaging.check.running.plan import ChildPlan
from model_packaging.check.running.process import ChildEnded
from model_packaging.check.running.requests import PlannedRequest, RequestPlan, plan_requests
from model_packaging.check.running.samples import read_samples
from model_packaging.check.running.session import LoadRefused, Session
from model_packaging.check.subject import Subject
from model_service.backend.local import supervised
from model_service.backend.plan import AUTO
from model_service.errors import PackageError
from model_service.inference.images import DEFAULT_MAX_PIXELS
from model_service.inference.preparation import Preparation, ServiceOptions, prepare

MODEL_NAME = "serve"
_THREADS = 8
_FILE_AND_LINE = re.compile(r"(?P<file>/[^:\n]+\.py):(?P<line>\d+): (?P<rest>.*)", re.DOTALL)
_VERSION_FOLDER = "/model/1/"


@dataclass(frozen=True)
class RunOutcome:
    """What running told.

    Attributes:
        measurements: seconds and bytes by name, such as ``_preprocess seconds`` or ``peak memory bytes``.
        answered: the requests that were answered, with status and answer, in order; for tests that are exported.
    """

    findings: tuple[Finding, ...]
    measurements: Mapping[str, float] = field(default_factory=dict)
    answered: tuple[tuple[PlannedRequest, int, object], ...] = ()


def run_package(
    subject: Subject, samples: tuple[str, ...] = (), backend: str = AUTO, limits: Limits | None = None
) -> RunOutcome:
    """Run a package and judge what it does; never raises for what the package is like.

    Args:
        subject: the package.
        samples: files, folders or JSON texts to send; see :func:`read_samples`.
        backend: which model server; see :func:`model_service.backend.plan.choose_backend`.
        limits: what the author's code may use.

    Raises:
        SettingsError: a sample or the backend is unusable.
    """
    limits = limits or Limits()
    requests = plan_requests(subject, read_samples(samples, subject))
    before = folder_state(subject.layout.model_directory)
    with tempfile.TemporaryDirectory(prefix="check-", ignore_cleanup_errors=True) as root:
        try:
            preparation = prepare(_service_options(subject, backend), Path(root))
        except PackageError as error:
            return RunOutcome((_not_loaded(str(error), subject),))
        outcome = _run(subject, preparation, requests, ChildPlan(preparation.plan, Path(root), limits))
    written = changed_files(before, folder_state(subject.layout.model_directory))
    if written:
        text = f"while it ran, it changed {', '.join(written[:5])}"
        findings = (*outcome.findings, finding("writes-to-package", Place("customize_service.py"), text))
        outcome = RunOutcome(findings, outcome.measurements, outcome.answered)
    return outcome


def _service_options(subject: Subject, backend: str) -> ServiceOptions:
    return ServiceOptions(
        package=subject.layout.model_directory,
        service=None,
        model_name=MODEL_NAME,
        backend=backend,
        sidecar="auto",
        validate_request=None,
        validate_response=None,
        threads=_THREADS,
        wait_seconds=60.0,
        max_image_pixels=DEFAULT_MAX_PIXELS,
    )


def _run(subject: Subject, preparation: Preparation, requests: RequestPlan, plan: ChildPlan) -> RunOutcome:
    began = time.monotonic()
    with (
        supervised(preparation.backend, preparation.backend_folder, preparation.is_lazy) as server,
        Session(plan) as session,
    ):
        try:
            session.load()
        except LoadRefused as refusal:
            return RunOutcome((_not_loaded(str(refusal), subject),))
        except ChildEnded as ended:
            return RunOutcome((judge_end("while it was loaded", ended, subject),))
        try:
            server.wait_until_ready()
        except PackageError as error:
            return RunOutcome((finding("model-not-served", Place("saved_model.pb"), str(error)),))
        started_seconds = time.monotonic() - began
        exercise = Exercise(subject, preparation.plan, session)
        exercise.run(requests)
        measurements = {
            "start seconds": started_seconds,
            **exercise.measurements(),
            "peak memory bytes": float(session.peak_bytes),
        }
    return RunOutcome(tuple(exercise.findings), measurements, tuple(exercise.answered))


def _not_loaded(message: str, subject: Subject) -> Finding:
    match = _FILE_AND_LINE.match(message)
    if match is None:
        text = message.removeprefix(f"{subject.layout.service_path}: ")
        return finding("does-not-load", Place("customize_service.py" if text != message else ""), text)
    path = match["file"]
    file = path.partition(_VERSION_FOLDER)[2] if _VERSION_FOLDER in path else subject.relative(Path(path))
    return finding("does-not-load", Place(file, int(match["line"])), match["rest"])
