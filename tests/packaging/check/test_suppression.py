"""Suppressions in config.json: what they cover, and what is said about those that cover nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model_packaging.check.package_check import CheckOptions, CheckReport, check_package
from tests.conftest import TESTS_FOLDER

UNDECLARED = TESTS_FOLDER / "packages" / "faulty" / "undeclared-import" / "model"
REASON = "pytest is in the image"


def check(folder: Path, check_key: Any) -> CheckReport:
    """Check the package with an undeclared import, and ``check`` in its config.json."""
    model = folder / "model"
    model.mkdir()
    config = {**json.loads((UNDECLARED / "config.json").read_text()), "check": check_key}
    (model / "config.json").write_text(json.dumps(config, indent=1))
    (model / "customize_service.py").write_bytes((UNDECLARED / "customize_service.py").read_bytes())
    return check_package(CheckOptions(folder, runs_package=False))


def codes(report: CheckReport) -> list[str]:
    return [each.code for each in report.findings]


@pytest.mark.parametrize("at", [None, "", "customize_service.py", "customize_service.py:3"])
def test_a_finding_is_left_out(tmp_path: Path, at: str | None) -> None:
    entry = {"code": "undeclared-import", "reason": REASON, **({} if at is None else {"at": at})}
    report = check(tmp_path, {"suppress": [entry]})
    assert codes(report) == []
    assert [each.code for each in report.suppressed] == ["undeclared-import"]
    assert not report.has_failed(is_strict=True)


@pytest.mark.parametrize("at", ["helper.py", "customize_service.py:9"])
def test_another_place_is_not_covered(tmp_path: Path, at: str) -> None:
    report = check(tmp_path, {"suppress": [{"code": "undeclared-import", "at": at, "reason": REASON}]})
    assert codes(report) == ["suppression-unused", "undeclared-import"]
    assert report.suppressed == ()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "must be an object"),
        ({"suppress": {}}, "must be an object"),
        ({"suppress": ["undeclared-import"]}, "must be an object like"),
        ({"suppress": [{"code": "undeclared-imports", "reason": "x"}]}, "did you mean undeclared-import?"),
        ({"suppress": [{"reason": "x"}]}, "None is no rule"),
        ({"suppress": [{"code": "undeclared-import"}]}, "says no reason"),
        ({"suppress": [{"code": "undeclared-import", "reason": " "}]}, "says no reason"),
        ({"suppress": [{"code": "undeclared-import", "reason": "x", "at": 3}]}, "the beginning of a place"),
        ({"suppress": [{"code": "bad-suppression", "reason": "x"}]}, "cannot be suppressed"),
    ],
)
def test_a_suppression_that_cannot_be_understood(tmp_path: Path, value: Any, message: str) -> None:
    report = check(tmp_path, value)
    assert sorted(codes(report)) == ["bad-suppression", "undeclared-import"]
    assert message in next(each.message for each in report.findings if each.code == "bad-suppression")
