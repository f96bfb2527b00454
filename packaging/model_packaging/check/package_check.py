"""The check of one package: first everything that reading tells, then, where it can start, what running tells."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from model_packaging.check.finding import Finding, Place, Severity
from model_packaging.check.halves import join_halves, prevents_start
from model_packaging.check.hook_places import placed_at_hooks
from model_packaging.check.reading.read import read_package
from model_packaging.check.running.export import export_tests
from model_packaging.check.running.run import RunOutcome, run_package
from model_packaging.check.source_lines import source_lines
from model_packaging.check.subject import Subject, read_subject
from model_packaging.check.suppression import apply_suppressions
from model_service.errors import SettingsError
from model_service.package.archive import opened_package


@dataclass(frozen=True)
class CheckOptions:
    """What to check, and how.

    Attributes:
        package: as ``model-service serve`` takes it.
        samples: files, folders of files, or JSON texts that are sent as requests.
        backend: which model server; see :func:`model_service.backend.plan.choose_backend`.
        runs_package: False: only read it.
        export_tests: write what was answered into this file, as tests of the next version.
    """

    package: Path
    samples: tuple[str, ...] = ()
    backend: str = "auto"
    runs_package: bool = True
    export_tests: Path | None = None


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        findings: those that count, worst first.
        suppressed: those that config.json asks to leave out.
        has_run: the package was not only read.
        seconds: how long the check took.
        measurements: what running it took, seconds and bytes by name; empty if it was not run.
        source_lines: the lines of the package's files that findings are about.
    """

    subject: Subject
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = ()
    has_run: bool = False
    seconds: float = 0.0
    measurements: Mapping[str, float] = field(default_factory=dict)
    source_lines: Mapping[Place, str] = field(default_factory=dict)

    def has_failed(self, is_strict: bool) -> bool:
        """Whether there is an error; or, if ``is_strict``, a warning."""
        counting = {Severity.ERROR, Severity.WARNING} if is_strict else {Severity.ERROR}
        return any(each.severity in counting for each in self.findings)


def check_package(options: CheckOptions) -> CheckReport:
    """Check a package; never raises for what the package is like.

    Raises:
        PackageError: there is no package at the path, or its archive cannot be used.
        SettingsError: a sample or the backend is unusable, or there is nothing to export.
    """
    started = time.monotonic()
    logging.getLogger("model_service").addHandler(logging.NullHandler())  # the findings say what its log would
    with opened_package(options.package) as folder:
        subject = replace(read_subject(folder), path=options.package)
        read = read_package(subject)
        outcome = None
        if options.runs_package and not prevents_start(read):
            outcome = run_package(subject, options.samples, options.backend)
        _export(options, subject, outcome)
        findings = placed_at_hooks(join_halves(read, outcome.findings), subject) if outcome else read
        lines = source_lines(findings, subject.layout.model_directory)
    counting, suppressed = apply_suppressions(findings, subject.config.content, outcome is not None)
    return CheckReport(
        subject,
        tuple(sorted(counting, key=lambda each: (each.severity.rank, each.place.file, each.place.line))),
        tuple(suppressed),
        has_run=outcome is not None,
        seconds=time.monotonic() - started,
        measurements=outcome.measurements if outcome else {},
        source_lines=lines,
    )


def _export(options: CheckOptions, subject: Subject, outcome: RunOutcome | None) -> None:
    if options.export_tests is None:
        return
    if outcome is None:
        raise SettingsError(f"--export-tests {options.export_tests}: the package was not run, so there are no answers")
    export_tests(outcome, subject, options.export_tests)
