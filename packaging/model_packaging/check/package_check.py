"""The check of one package: first everything that reading tells, then, where it can start, what running tells."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from model_packaging.check.finding import Finding, Severity
from model_packaging.check.reading.read import read_package
from model_packaging.check.subject import Subject, read_subject
from model_packaging.check.suppression import apply_suppressions


@dataclass(frozen=True)
class CheckOptions:
    """What to check, and how.

    Attributes:
        package: as ``model-service serve`` takes it.
        samples: files, folders of files, or JSON texts that are sent as requests.
        backend: which model server; see :func:`model_service.backend.plan.choose_backend`.
        runs_package: False: only read it.
    """

    package: Path
    samples: tuple[str, ...] = ()
    backend: str = "auto"
    runs_package: bool = True


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        findings: those that count, worst first.
        suppressed: those that config.json asks to leave out.
        has_run: the package was not only read.
        seconds: how long the check took.
        measurements: what running it measured, by name with unit: ``preprocess_seconds``.
    """

    subject: Subject
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = ()
    has_run: bool = False
    seconds: float = 0.0
    measurements: Mapping[str, float] = field(default_factory=dict)

    def has_failed(self, is_strict: bool) -> bool:
        """Whether there is an error; or, if ``is_strict``, a warning."""
        counting = {Severity.ERROR, Severity.WARNING} if is_strict else {Severity.ERROR}
        return any(each.severity in counting for each in self.findings)


def check_package(options: CheckOptions) -> CheckReport:
    """Check a package; never raises for what the package is like.

    Raises:
        PackageError: there is no package at the path.
        SettingsError: a sample or the backend is unusable.
    """
    started = time.monotonic()
    subject = read_subject(options.package)
    findings = read_package(subject)
    counting, suppressed = apply_suppressions(findings, subject.config.content, options.runs_package)
    counting = sorted(counting, key=lambda each: (each.severity.rank, each.place.file, each.place.line))
    return CheckReport(subject, tuple(counting), tuple(suppressed), seconds=time.monotonic() - started)
