"""The table of legacy calls against the installed libraries: what it calls gone is gone, what it advises is there."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version

from model_service.author.legacy_calls import LEGACY_CALLS, MAKES, PYTHON, Kind, LegacyCall
from tests.conftest import quiet_environment

# Looks names up: a list of dotted names in, those that are there out.
_CHILD = """
import builtins, importlib, json, sys, warnings
warnings.simplefilter("ignore")

def is_there(name):
    parts, value = name.split("."), None
    for index, part in enumerate(parts):
        try:
            if index:
                value = getattr(value, part)
                continue
        except Exception:
            pass
        try:
            value = importlib.import_module(".".join(parts[: index + 1]))
        except Exception:
            if index or not hasattr(builtins, part):
                return False
            value = getattr(builtins, part)
    return True

print(json.dumps([name for name in json.load(sys.stdin) if is_there(name)]))
"""


def installed_version(library: str) -> Version | None:
    if library == PYTHON:
        return Version(platform.python_version())
    try:
        return Version(version(library))
    except PackageNotFoundError:
        return None


def is_gone(row: LegacyCall) -> bool:
    """Whether the installed version should be without it."""
    installed = installed_version(row.library)
    return installed is not None and installed >= Version(row.gone_in)


GONE = [row for row in LEGACY_CALLS if is_gone(row)]


@pytest.fixture(scope="module")
def there() -> set[str]:
    names = {row.name for row in LEGACY_CALLS} | {row.replacement for row in LEGACY_CALLS} | set(MAKES)
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps(sorted(names)),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=quiet_environment(),
    )
    return set(json.loads(done.stdout))


def test_the_table_is_about_what_is_installed() -> None:
    assert {row.library for row in GONE} >= {PYTHON, "numpy", "pillow", "tensorflow", "keras"}
    assert len({(row.name, row.keyword) for row in LEGACY_CALLS}) == len(LEGACY_CALLS)


def test_what_it_calls_gone_is_gone(there: set[str]) -> None:
    assert [row.name for row in GONE if row.kind is not Kind.CHANGED and row.name in there] == []


def test_what_it_advises_is_there(there: set[str]) -> None:
    unknown = [row.name for row in GONE if row.kind is Kind.RENAMED and row.replacement not in there]
    assert unknown == []


def test_what_makes_objects_is_there(there: set[str]) -> None:
    libraries = {"PIL": "pillow"}
    missing = [name for name in MAKES if name not in there]
    assert [name for name in missing if installed_version(libraries.get(name.split(".")[0], name.split(".")[0]))] == []


@pytest.mark.parametrize("row", [row for row in GONE if row.kind is Kind.CHANGED], ids=lambda row: row.name)
def test_a_changed_call_refuses_the_argument(row: LegacyCall) -> None:
    module, _, function = row.name.rpartition(".")
    code = f"import io, {module}; {row.name}(io.StringIO('1'), {row.keyword}=False)"
    if function == "loads":
        code = f"import {module}; {row.name}('1', {row.keyword}='utf-8')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "TypeError" in done.stderr
    assert row.keyword in done.stderr
