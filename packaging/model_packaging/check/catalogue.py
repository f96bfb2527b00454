"""Every rule of the check, as one table; docs/check.md is written from it."""

from __future__ import annotations

from collections.abc import Mapping

from model_packaging.check.finding import Finding, Place, Rule
from model_packaging.check.reading_rules import READING_RULES
from model_packaging.check.running.rules import RUNNING_RULES

RULES: Mapping[str, Rule] = {rule.code: rule for rule in (*READING_RULES, *RUNNING_RULES)}
RUNNING_CODES = frozenset(rule.code for rule in RUNNING_RULES)


def finding(code: str, place: Place, message: str, *, consequence: str = "", remedy: str = "") -> Finding:
    """Make a finding of the rule ``code``; consequence and remedy are the rule's own unless given."""
    rule = RULES[code]
    return Finding(code, rule.severity, place, message, consequence or rule.consequence, remedy or rule.remedy)
