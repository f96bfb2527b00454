"""A report for continuous integration: JUnit XML, one test case for each rule that was checked."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from model_packaging.check.catalogue import RULES, RUNNING_CODES
from model_packaging.check.finding import Finding, Severity
from model_packaging.check.package_check import CheckReport

# What XML 1.0 cannot say, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SUITE = "model-service check"


def junit_report(report: CheckReport, is_strict: bool) -> str:
    """Return the report as XML text.

    A rule with findings that count is a failure; one with notes only, or with warnings that do not count, passes and
    has them in ``system-out``; one whose findings are all suppressed is skipped.
    """
    failing = {Severity.ERROR, Severity.WARNING} if is_strict else {Severity.ERROR}
    codes = [code for code in RULES if report.has_run or code not in RUNNING_CODES]
    cases = [_case(report, code, failing) for code in codes]
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": 0,
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    attributes = {"name": _SUITE, **{key: str(value) for key, value in counts.items()}, "time": f"{report.seconds:.3f}"}
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    properties = ElementTree.SubElement(suite, "properties")
    facts = {"package": str(report.subject.path), **{key: f"{value:g}" for key, value in report.measurements.items()}}
    for name, value in facts.items():
        ElementTree.SubElement(properties, "property", {"name": _xml(name), "value": _xml(value)})
    suite.extend(cases)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _case(report: CheckReport, code: str, failing: set[Severity]) -> ElementTree.Element:
    half = "running" if code in RUNNING_CODES else "reading"
    case = ElementTree.Element("testcase", {"classname": f"check.{half}", "name": code, "time": "0.000"})
    findings = [each for each in report.findings if each.code == code]
    suppressed = [each for each in report.suppressed if each.code == code]
    if any(each.severity in failing for each in findings):
        message = "; ".join(f"{each.place}: {each.message}" for each in findings)
        failure = ElementTree.SubElement(
            case, "failure", {"type": findings[0].severity.value, "message": _xml(message)}
        )
        failure.text = _xml("\n\n".join(map(_text, findings)))
    elif findings:
        ElementTree.SubElement(case, "system-out").text = _xml("\n\n".join(map(_text, findings)))
    elif suppressed:
        message = f"suppressed in config.json: {len(suppressed)}"
        ElementTree.SubElement(case, "skipped", {"message": message})
    return case


def _text(each: Finding) -> str:
    return (
        f"{each.severity.value}: {each.code}  {each.place}\n{each.message}\n"
        f"-> callers: {each.consequence}\n-> do: {each.remedy}"
    )


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)
