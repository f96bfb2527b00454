"""A report for programs, as one JSON object; docs/check.md lists its keys."""

from __future__ import annotations

import json
from typing import Any

from model_packaging.check.finding import Finding, Severity
from model_packaging.check.package_check import CheckReport

FORMAT = 1


def json_report(report: CheckReport) -> str:
    """Return the report as JSON text."""
    return json.dumps(
        {
            "format": FORMAT,
            "package": str(report.subject.path),
            "model_directory": str(report.subject.layout.model_directory),
            "has_run": report.has_run,
            "seconds": round(report.seconds, 3),
            "counts": {
                f"{severity.value}s": sum(1 for each in report.findings if each.severity is severity)
                for severity in Severity
            },
            "findings": [_finding(each) for each in report.findings],
            "suppressed": [_finding(each) for each in report.suppressed],
            "measurements": dict(report.measurements),
        },
        indent=2,
        ensure_ascii=False,
    )


def _finding(each: Finding) -> dict[str, Any]:
    return {
        "code": each.code,
        "severity": each.severity.value,
        "place": str(each.place),
        "file": each.place.file,
        "line": each.place.line or None,
        "pointer": each.place.pointer,
        "message": each.message,
        "consequence": each.consequence,
        "remedy": each.remedy,
    }
