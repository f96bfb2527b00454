"""Findings that config.json asks to leave out: ``{"check": {"suppress": [{"code", "at", "reason"}]}}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_packaging.check.catalogue import RULES, RUNNING_CODES, finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.reading.near import did_you_mean
from model_service.package.layout import CONFIG_NAME

_POINTER = "/check/suppress"
# About suppressions themselves; they cannot be suppressed.
_ALWAYS = frozenset({"bad-suppression", "suppression-unused"})


@dataclass(frozen=True)
class _Suppression:
    code: str
    at: str
    pointer: str

    def covers(self, each: Finding) -> bool:
        return each.code == self.code and each.place.begins_with(self.at)


def apply_suppressions(
    findings: Sequence[Finding], config: Mapping[str, Any], has_run: bool
) -> tuple[list[Finding], list[Finding]]:
    """Part the findings into those that count and those that are suppressed.

    Findings about the suppressions themselves are added to the first: one that cannot be understood, and one that
    covers nothing. Of what only running finds, nothing is said unless the package was run.

    Args:
        findings: all that were made.
        config: the parsed config.json.
        has_run: whether the findings are those of a package that was run.
    """
    problems: list[Finding] = []
    suppressions = _read(config, problems)
    suppressed = [each for each in findings if any(one.covers(each) for one in suppressions)]
    counting = [each for each in findings if each not in suppressed]
    for one in suppressions:
        if not any(one.covers(each) for each in suppressed) and (has_run or one.code not in RUNNING_CODES):
            where = f" at {one.at}" if one.at else ""
            message = f"there is no {one.code}{where} to suppress"
            problems.append(finding("suppression-unused", Place(CONFIG_NAME, pointer=one.pointer), message))
    return [*counting, *problems], suppressed


def _read(config: Mapping[str, Any], problems: list[Finding]) -> list[_Suppression]:
    def complain(pointer: str, message: str) -> None:
        problems.append(finding("bad-suppression", Place(CONFIG_NAME, pointer=pointer), message))

    check = config.get("check", {})
    if not isinstance(check, dict) or not isinstance(check.get("suppress", []), list):
        complain("/check", 'must be an object like {"suppress": []}')
        return []
    suppressions = []
    for index, entry in enumerate(check.get("suppress", [])):
        pointer = f"{_POINTER}/{index}"
        if not isinstance(entry, dict):
            complain(pointer, 'must be an object like {"code": "undeclared-import", "reason": "..."}')
            continue
        code, at, reason = entry.get("code"), entry.get("at", ""), entry.get("reason")
        if not isinstance(code, str) or code not in RULES:
            hint = did_you_mean(code, RULES) if isinstance(code, str) else ""
            complain(f"{pointer}/code", f"{code!r} is no rule of the check{hint}")
        elif code in _ALWAYS:
            complain(f"{pointer}/code", f"{code} cannot be suppressed")
        elif not isinstance(reason, str) or not reason.strip():
            complain(pointer, f"says no reason why {code} is left out")
        elif not isinstance(at, str):
            complain(f"{pointer}/at", "must be the beginning of a place, such as customize_service.py")
        else:
            suppressions.append(_Suppression(code, at, pointer))
    return suppressions
