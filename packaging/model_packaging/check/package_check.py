"""The check of one package: first everything that reading tells, then, where it can start, what running tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place, Severity
from model_packaging.check.running.export import export_tests
from model_packaging.check.running.run import run_package
from model_packaging.check.subject import Subject, read_subject
from model_packaging.rules import check_config


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
        measurements: what running took, seconds and bytes by name; empty if it was not run.
    """

    subject: Subject
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = field(default=())
    measurements: Mapping[str, float] = field(default_factory=dict)

    def has_failed(self, is_strict: bool) -> bool:
        """Whether there is an error; or, if ``is_strict``, a warning."""
        counting = {Severity.ERROR, Severity.WARNING} if is_strict else {Severity.ERROR}
        return any(each.severity in counting for each in self.findings)


def check_package(options: CheckOptions) -> CheckReport:
    """Check a package; never raises for what the package is like.

    Raises:
        PackageError: there is no package at the path.
        SettingsError: a sample or the backend is unusable, or there is nothing to export.
    """
    subject = read_subject(options.package)
    wheels = {wheel.name for wheel in subject.layout.model_directory.glob("*.whl")}
    breaches = check_config(subject.config.content, wheels) if subject.config.content else []
    findings = tuple(
        finding("config-rule", Place("config.json", pointer=breach.pointer), breach.message) for breach in breaches
    )
    if not options.runs_package:
        return CheckReport(subject, findings)
    outcome = run_package(subject, options.samples, options.backend)
    if options.export_tests is not None:
        export_tests(outcome, subject, options.export_tests)
    return CheckReport(subject, (*findings, *outcome.findings), measurements=outcome.measurements)
