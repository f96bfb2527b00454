"""Every rule of the check, as one table; docs/check.md is written from it."""

from __future__ import annotations

from model_packaging.check.finding import Finding, Place, Rule, Severity
from model_packaging.check.running.rules import RUNNING_RULES

_READING = (
    Rule(
        "config-rule",
        Severity.ERROR,
        "The platform refuses to import the package.",
        "Change the value as the message says.",
    ),
)

_RUNNING: tuple[Rule, ...] = RUNNING_RULES

RULES = {rule.code: rule for rule in (*_READING, *_RUNNING)}


def finding(code: str, place: Place, message: str, *, consequence: str = "", remedy: str = "") -> Finding:
    """Make a finding of the rule ``code``; consequence and remedy are the rule's own unless given."""
    rule = RULES[code]
    return Finding(code, rule.severity, place, message, consequence or rule.consequence, remedy or rule.remedy)
