"""Packages with one fault each: the check, which reads them only, names exactly that fault; good ones have none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.check.catalogue import RULES, RUNNING_CODES
from model_packaging.check.package_check import CheckOptions, check_package
from model_service.tfs.protos import saved_model_pb2
from model_training.completion import TEMPLATE
from tests.conftest import BROKEN_ENDING, TESTS_FOLDER, MakePackage, SavedModels

FAULTY = TESTS_FOLDER / "packages" / "faulty"
CODES = sorted(path.name for path in FAULTY.iterdir())
# Code of a faulty package -> the kind of SavedModel that belongs into it.
MODELS = {
    "batch-dimension-closed": "half_plus_two",
    "incomplete-variables": "digits",
    "missing-input": "mixed",
    "no-signature": "two_signatures",
    "preprocess-returns-nothing": "half_plus_two",
    "two-models": "half_plus_two",
    "unknown-input": "half_plus_two",
    "unknown-output": "half_plus_two",
}
GOOD = {
    "careful": None,
    "bytes_result": None,
    "digits": "digits",
    "echo": None,
    "logged_rows": "digits",
    "no_super_init": None,
    "numpy_result": None,
    "overrides_inference": None,
    "own_inference": None,
    "own_model_object": "two_with_default",
    "raises": None,
    "shadowing": None,
    "siblings": None,
    "sleeps": None,
    "string_scores": "digits",
    "thread_safe": None,
    "uses_global": None,
    "vision": "pictures",
}
# Faults of these are seen only in a running package, or need something that a folder in a repository cannot hold.
NOT_AS_PACKAGES = {"config-not-readable", "config-too-large", "service-not-readable", "link-leads-nowhere"}


def codes_of(package: Path) -> list[str]:
    """The codes of all findings in a package that is only read."""
    return [each.code for each in check_package(CheckOptions(package, runs_package=False)).findings]


def close_batch_dimension(path: Path) -> None:
    """Let the signatures of a SavedModel take one item at a time."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString(path.read_bytes())
    for signature in saved_model.meta_graphs[0].signature_def.values():
        for info in signature.inputs.values():
            info.tensor_shape.dim[0].size = 1
    path.write_bytes(saved_model.SerializeToString())


@pytest.fixture
def faulty_package(tmp_path: Path, saved_model: SavedModels) -> Callable[[str], Path]:
    """``faulty_package(code)`` is a copy of the package with that fault."""

    def make(code: str) -> Path:
        shutil.copytree(FAULTY / code, tmp_path / code, symlinks=True)
        for path in (tmp_path / code).rglob(f"*{BROKEN_ENDING}"):
            path.rename(path.with_suffix(""))
        kind = MODELS.get(code)
        if kind is not None:
            shutil.copytree(saved_model(kind), tmp_path / code / "model", dirs_exist_ok=True)
        if code == "incomplete-variables":
            next((tmp_path / code / "model" / "variables").glob("*.data-*")).unlink()
        elif code == "batch-dimension-closed":
            close_batch_dimension(tmp_path / code / "model" / "saved_model.pb")
        return tmp_path / code

    return make


@pytest.mark.parametrize("code", CODES)
def test_exactly_the_fault_is_named(code: str, faulty_package: Callable[[str], Path]) -> None:
    report = check_package(CheckOptions(faulty_package(code), runs_package=False))
    assert [each.code for each in report.findings] == [code], report.findings
    (finding,) = report.findings
    assert finding.consequence.endswith(".")
    assert finding.remedy.endswith(".") or "pip install" in finding.remedy


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_running_it_too_adds_nothing(code: str, faulty_package: Callable[[str], Path]) -> None:
    report = check_package(CheckOptions(faulty_package(code)))
    assert [each.code for each in report.findings] == [code], report.findings


def test_a_range_for_an_input_that_the_model_does_not_have(tmp_path: Path, saved_model: SavedModels) -> None:
    shutil.copytree(saved_model("half_plus_two"), tmp_path / "model")
    shutil.copytree(TEMPLATE, tmp_path / "model", dirs_exist_ok=True)
    (tmp_path / "model" / "customize_service.py").unlink()
    report = check_package(CheckOptions(tmp_path, runs_package=False))
    assert [(each.code, str(each.place).partition(" ")[2]) for each in report.findings] == [
        ("bad-tensors", "/tensors/images")
    ]


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_found_in_a_good_package(name: str, make_package: MakePackage) -> None:
    assert codes_of(make_package(name, GOOD[name])) == []


def test_nothing_is_found_in_the_template(tmp_path: Path, saved_model: SavedModels) -> None:
    shutil.copytree(saved_model("digits"), tmp_path / "model")
    shutil.copytree(TEMPLATE, tmp_path / "model", dirs_exist_ok=True)
    assert codes_of(tmp_path) == []


def test_the_other_packages_have_the_fault_they_are_made_for(make_package: MakePackage) -> None:
    expected = {
        "broken_config": "config-has-comments",
        "import_error": "missing-import",
        "no_class": "no-service-class",
        "odd_config": "item-for-items",
        "syntax_error": "python-2",
        "two_classes": "two-services",
    }
    assert {name: codes_of(make_package(name)) for name in expected} == {
        name: [code] for name, code in expected.items()
    }


def test_most_rules_have_a_package() -> None:
    assert len(CODES) >= 70
    assert set(CODES) <= set(RULES) - RUNNING_CODES
    assert not NOT_AS_PACKAGES & set(CODES)


def test_a_link_that_leads_nowhere_and_what_cannot_be_read(tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(FAULTY / "stray-file" / "model", model)
    (model / "labels.txt.bak").unlink()
    (model / "labels.txt").symlink_to(model / "absent.txt")
    assert codes_of(tmp_path) == ["link-leads-nowhere"]
    (model / "labels.txt").unlink()
    (model / "config.json").write_bytes(b" " * (4 << 20) + b"{}")
    assert codes_of(tmp_path) == ["config-too-large"]
