"""What reading and running a package found, put together: no fault is told twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from model_packaging.check.catalogue import RULES
from model_packaging.check.finding import Finding, Severity

_NO_SCHEMA = frozenset(
    {
        "bad-schema",
        "config-has-comments",
        "config-has-trailing-comma",
        "config-not-an-object",
        "config-not-json",
        "config-not-readable",
        "config-not-utf8",
        "config-too-large",
        "no-config",
        "no-contract",
        "unknown-schema-type",
        "wrong-case",
    }
)
_WRONG_ANSWER = frozenset({"answer-is-null", "file-in-answer", "hook-name", "no-value-fits", "required-not-declared"})
# Rule of the running half -> rules of the reading half that explain its findings.
_EXPLAINED_BY: Mapping[str, frozenset[str]] = {
    "wrong-tensor-name": frozenset({"unknown-input", "missing-input"}),
    "wrong-output-name": frozenset({"unknown-output"}),
    "fixed-batch": frozenset({"batch-dimension-closed"}),
    "request-not-answered": frozenset(
        {
            "field-not-declared",
            "hook-arguments",
            "hook-is-async",
            "legacy-call",
            "missing-file",
            "path-of-another-machine",
            "preprocess-returns-nothing",
            "unknown-output",
        }
    ),
    "answer-breaks-contract": _WRONG_ANSWER,
    "strict-answer-refused": _WRONG_ANSWER,
    "answer-not-json": frozenset({"hook-is-async", "hook-name"}),
    "needs-sample": _NO_SCHEMA | {"field-not-declared", "no-request-fits", "no-value-fits"},
    "not-thread-safe": frozenset({"thread-safe-state"}),
}


def prevents_start(findings: Iterable[Finding]) -> bool:
    """Whether the package cannot be started because of what reading it found: running it would only say it again.

    A finding with a consequence of its own is one of a line that is reached later.
    """
    stopping = (each for each in findings if each.severity is Severity.ERROR and RULES[each.code].stops_start)
    return any(each.consequence == RULES[each.code].consequence for each in stopping)


def join_halves(read: Sequence[Finding], run: Sequence[Finding]) -> list[Finding]:
    """Put the findings of both halves together.

    A finding of the running half is left out if reading found an error or a warning at the same line, or a fault that
    explains it; the reading half knows the cause.
    """
    codes = {each.code for each in read}
    lines = {(each.place.file, each.place.line) for each in read if each.place.line and each.severity.rank < 2}
    kept = [
        each
        for each in run
        if (each.place.file, each.place.line) not in lines and not codes & _EXPLAINED_BY.get(each.code, frozenset())
    ]
    return [*read, *kept]
