"""The check's verdict on a mutated package, beside what callers of the served package meet."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from model_packaging.check.finding import Finding, Severity
from model_packaging.check.package_check import CheckOptions, check_package

from .mutation import Mutation
from .served import what_callers_meet

# How the consequences of rules begin that say nothing about what is started and answered here.
_OF_OTHERS = ("ModelArts refuses", "None")


@dataclass(frozen=True)
class Verdict:
    """What became of one mutation.

    Attributes:
        served: what is wrong for callers; "": nothing.
    """

    mutation: Mutation
    served: str
    findings: tuple[Finding, ...]

    @property
    def is_fault(self) -> bool:
        """Whether the mutation did any harm."""
        return bool(self.served) or self.mutation.breaks_platform_rule

    @property
    def is_found(self) -> bool:
        """Whether ``check --strict`` fails."""
        return any(each.severity is not Severity.NOTE for each in self.findings)

    @property
    def is_false_alarm(self) -> bool:
        """Whether the check is certain that callers meet an error, and they do not."""
        return not self.served and any(
            each.severity is Severity.ERROR and not each.consequence.startswith(_OF_OTHERS) for each in self.findings
        )

    @property
    def agrees(self) -> bool:
        """Whether the check and the server say the same of starting and answering."""
        return not self.is_false_alarm and (self.is_found or not self.served)

    def __str__(self) -> str:
        found = "; ".join(f"{each.severity.value} {each.code} {each.place}: {each.message}" for each in self.findings)
        return f"{self.mutation.name}\n    served: {self.served or 'well'}\n    found: {found or 'nothing'}"


def verdicts(good: Path, mutations: Iterable[Mutation], backend: str, work: Path) -> Iterator[Verdict]:
    """Check and serve the mutations of a good package, each at the same time.

    Args:
        good: the folder that holds its ``model/``.
        backend: of a model server that serves its model; a mutation that changes the model gets one of its own.
        work: an empty folder.
    """
    with ThreadPoolExecutor(1) as executor:
        for number, mutation in enumerate(mutations):
            checked, served = (work / f"{number}-{name}" for name in ("checked", "served"))
            for package in (checked, served):
                shutil.copytree(good, package)
                mutation.apply(package / "model")
            backend_used = "embedded" if mutation.changes_model else backend
            meeting = executor.submit(what_callers_meet, served, good, backend_used)
            report = check_package(CheckOptions(checked, backend=backend_used))
            yield Verdict(mutation, meeting.result(), report.findings)
            for package in (checked, served):
                shutil.rmtree(package)
