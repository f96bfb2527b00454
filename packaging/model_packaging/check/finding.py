"""One finding of a check, and the rule behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, unique


@unique
class Severity(Enum):
    """What a finding means for the package.

    ERROR: it does not start, or requests that it invites are not answered, or its own strict contract is broken.
    WARNING: it answers, but not what its author or its callers would expect; ``--strict`` makes these count.
    NOTE: worth knowing; never changes the exit status.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


@dataclass(frozen=True)
class Rule:
    """What is checked, under a name that stays.

    Attributes:
        code: the name, in kebab case; suppressions use it.
        severity: of its findings.
        consequence: what happens to a caller because of it, one sentence.
        remedy: how to mend it, one sentence.
        stops_start: whether the service certainly does not start, so that running it tells nothing.
    """

    code: str
    severity: Severity
    consequence: str
    remedy: str
    stops_start: bool = False


@dataclass(frozen=True)
class Place:
    """Where a finding is.

    Attributes:
        file: path relative to the folder ``model/``, such as ``config.json``; "": the package as a whole.
        line: line in the file, counted from 1; 0: none.
        pointer: RFC 6901 JSON pointer into the file, or into an answer if ``file`` is "answer"; None: none.
    """

    file: str = ""
    line: int = 0
    pointer: str | None = None

    def __str__(self) -> str:
        file = f"{self.file}:{self.line}" if self.line else self.file or "(package)"
        return file if self.pointer is None else f"{file} {self.pointer or '(whole)'}"

    def begins_with(self, text: str) -> bool:
        """Whether the place begins with a text such as ``config.json /apis/0``; the line may be left out."""
        return str(self).startswith(text) or str(replace(self, line=0)).startswith(text)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        message: what was found, with the values seen.
        consequence, remedy: the rule's own, or more exact ones.
    """

    code: str
    severity: Severity
    place: Place
    message: str
    consequence: str
    remedy: str
