"""The table of rules, the page that lists them, and the two halves put together."""

from __future__ import annotations

import re

from model_packaging.check.catalogue import RULES, finding
from model_packaging.check.finding import Place, Severity
from model_packaging.check.halves import join_halves, prevents_start
from model_packaging.check.package_check import CheckOptions, check_package
from model_packaging.check.reading_rules import READING_RULES
from tests.conftest import TESTS_FOLDER

PAGE = TESTS_FOLDER.parent / "docs" / "check.md"


def test_codes_are_kebab_case_and_unique() -> None:
    codes = [rule.code for rule in READING_RULES]
    assert len(set(codes)) == len(codes)
    assert [code for code in RULES if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []


def test_each_rule_says_what_happens_and_what_to_do() -> None:
    assert [rule.code for rule in RULES.values() if not rule.consequence.endswith(".") or not rule.remedy] == []


def test_the_page_lists_the_rules() -> None:
    """Each rule of the catalogue has its row, word for word, and no other row is there."""
    listed = re.findall(
        r"^\| `([a-z0-9-]+)` \| (error|warning|note) \| (.*) \| (.*) \|$", PAGE.read_text(), re.MULTILINE
    )
    wanted = [(rule.code, rule.severity.value, rule.consequence, rule.remedy) for rule in RULES.values()]
    assert sorted(listed) == sorted(wanted)


def test_what_reading_explains_is_not_told_again() -> None:
    place = Place("customize_service.py", 9)
    read = [finding("unknown-output", place, "reads 'score'")]
    elsewhere = finding("two-services", Place("customize_service.py", 20), "stands for a finding of the running half")
    at_the_line = finding("legacy-call", place, "stands for a finding of the running half")
    assert join_halves(read, [at_the_line, elsewhere]) == [*read, elsewhere]
    assert join_halves([], [at_the_line, elsewhere]) == [at_the_line, elsewhere]


def test_a_note_at_the_line_hides_nothing() -> None:
    read = [finding("batch-dimension-closed", Place("saved_model.pb", 1), "one item")]
    run = [finding("unreadable-model", Place("saved_model.pb", 1), "stands for a finding of the running half")]
    assert read[0].severity is Severity.NOTE
    assert join_halves(read, run) == [*read, *run]


def test_what_cannot_start_is_not_run() -> None:
    place = Place("customize_service.py", 3)
    assert prevents_start([finding("python-2", place, "print")])
    assert not prevents_start([finding("bad-metrics", place, "text"), finding("undeclared-import", place, "cv2")])


def test_an_import_that_fails_late_does_not_stop_the_start() -> None:
    """The package is run all the same, and the fault is told once."""
    report = check_package(CheckOptions(TESTS_FOLDER / "packages" / "running" / "imports_late"))
    assert report.has_run
    assert [each.code for each in report.findings] == ["missing-import"]
    assert "answered 500" in report.findings[0].consequence
