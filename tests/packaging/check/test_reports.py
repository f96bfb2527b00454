"""The three forms of a report, and the command that prints them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from model_packaging.check.catalogue import RULES, RUNNING_CODES
from model_packaging.check.cli import main
from model_packaging.check.package_check import CheckOptions, check_package
from model_packaging.check.report_text import TextStyle, text_report
from tests.conftest import TESTS_FOLDER

PACKAGES = TESTS_FOLDER / "packages"
LEGACY = PACKAGES / "faulty" / "legacy-call"
WARNED = PACKAGES / "faulty" / "undeclared-import"
NOTED = PACKAGES / "faulty" / "stray-file"
GOOD = PACKAGES / "siblings"


@pytest.mark.parametrize(
    ("package", "flags", "status"),
    [
        (GOOD, [], 0),
        (GOOD, ["--strict"], 0),
        (NOTED, ["--strict"], 0),
        (WARNED, [], 0),
        (WARNED, ["--strict"], 1),
        (LEGACY, [], 1),
        (PACKAGES / "no-such-package", [], 2),
        (GOOD, ["--format", "html"], 2),
    ],
)
def test_exit_status(package: Path, flags: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(package), "--no-run", *flags]) == status
    assert "Traceback" not in capsys.readouterr().err


def test_text_says_place_line_consequence_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    main([str(LEGACY), "--no-run"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "error: legacy-call  customize_service.py:10"
    assert lines[1].startswith("  numpy.float is gone since numpy 1.24; here is ")
    assert lines[2] == '       10 | return {"y": float(np.asarray(data["x"], dtype=np.float))}'
    assert lines[3].startswith("  -> callers: ")
    assert lines[-3] == "  -> do: Write float."
    assert re.fullmatch(r"1 error, 0 warnings, 0 notes in \d+\.\d s", lines[-1])
    assert max(map(len, lines)) <= 100


def test_text_of_a_good_package_says_what_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    main([str(GOOD), "--no-run"])
    said = " ".join(capsys.readouterr().out.split())
    assert "nothing found" in said
    assert "read, not run: config.json (1 api), customize_service.py" in said


def test_text_is_wrapped_and_coloured_as_asked() -> None:
    report = check_package(CheckOptions(LEGACY, runs_package=False))
    narrow = text_report(report, TextStyle(columns=50))
    assert max(map(len, narrow.splitlines()[:2])) <= 50
    assert "\x1b" not in narrow
    assert "\x1b[1;31merror: legacy-call\x1b[0m" in text_report(report, TextStyle(has_colours=True))


def test_a_package_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(LEGACY, tmp_path / "package")
    service = tmp_path / "package" / "model" / "customize_service.py"
    service.write_text(service.read_text().replace("np.float))}", "np.float))}  # \x1b[2J\x07"))
    main([str(tmp_path / "package"), "--no-run"])
    said = capsys.readouterr().out
    assert r"\x1b[2J\x07" in said
    assert not {"\x1b", "\x07"} & set(said)


def test_json_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    main([str(LEGACY), "--no-run", "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    assert list(report) == [
        "format",
        "package",
        "model_directory",
        "has_run",
        "seconds",
        "counts",
        "findings",
        "suppressed",
        "measurements",
    ]
    assert report["counts"] == {"errors": 1, "warnings": 0, "notes": 0}
    (finding,) = report["findings"]
    assert (finding["code"], finding["severity"], finding["line"]) == ("legacy-call", "error", 10)
    documentation = (TESTS_FOLDER.parent / "docs" / "check.md").read_text()
    assert [key for key in (*report, *finding) if f"`{key}`" not in documentation] == []


def test_junit_has_a_case_for_each_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.xml"
    assert main([str(LEGACY), "--no-run", "--format", "junit", "--output", str(target)]) == 1
    assert capsys.readouterr().out == ""
    root = ElementTree.parse(target).getroot()
    (suite,) = root
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    cases = suite.findall("testcase")
    assert {case.get("name") for case in cases} == set(RULES) - RUNNING_CODES
    assert all(case.get("classname") == "check.reading" and float(case.get("time", "")) >= 0 for case in cases)
    (failure,) = suite.iter("failure")
    assert "np.float" not in (failure.get("message") or "")
    assert "numpy.float is gone" in (failure.text or "")
    assert suite.attrib["tests"] == str(len(cases))
    assert (suite.attrib["failures"], suite.attrib["errors"], suite.attrib["skipped"]) == ("1", "0", "0")


@pytest.mark.parametrize(("flags", "failures"), [([], "0"), (["--strict"], "1")])
def test_junit_counts_warnings_only_if_strict(
    flags: list[str], failures: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(WARNED), "--no-run", "--format", "junit", *flags])
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert root.get("failures") == failures
    assert len(list(root.iter("system-out"))) == 1 - int(failures)


def test_junit_survives_text_that_xml_cannot_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(NOTED, tmp_path / "package")
    (tmp_path / "package" / "model" / "\x01\udcff~").write_text("")
    assert main([str(tmp_path / "package"), "--no-run", "--format", "junit"]) == 0
    assert ElementTree.fromstring(capsys.readouterr().out).tag == "testsuites"


def test_a_reader_may_stop_reading() -> None:
    """As in ``model-service check PACKAGE | head``."""
    code = "import sys; from model_packaging.check.cli import main; sys.exit(main(sys.argv[1:]))"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-c", code, str(LEGACY), "--no-run", "--format", "junit"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_a_report_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOOD), "--no-run", "--output", str(tmp_path / "no" / "folder")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_nothing_of_the_package_is_executed(tmp_path: Path) -> None:
    """Neither the service, nor a sibling, nor what a .pth-like trick of the folder could bring in."""
    shutil.copytree(GOOD, tmp_path / "package")
    mark = tmp_path / "executed"
    for name in ("customize_service.py", "helper.py", "sitecustomize.py", "packaging.py"):
        path = tmp_path / "package" / "model" / name
        old = path.read_text() if path.exists() else ""
        path.write_text(f"open({str(mark)!r}, 'w').close()\n{old}")
    code = "import sys; from model_packaging.check.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "package"), "--no-run"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "module-name-taken" in done.stdout
    assert not mark.exists()
