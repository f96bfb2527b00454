"""``model-service init``: every template is laid out, is true to its contract, and passes its own test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from model_packaging.check.package_check import CheckOptions, check_package
from model_packaging.init.cli import main
from model_packaging.init.skeleton import KINDS, TEMPLATES, ModelNotMade, make_model
from model_packaging.rules import check_config
from tests.conftest import quiet_environment

WITH_MODEL = sorted(set(KINDS) - {"custom"})
QUICK = ("custom", "predictive-analysis")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_files_are_laid_out(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "mine"), "--template", kind, "--no-model"]) == 0
    wanted = {"README.md", "model/config.json", "model/customize_service.py", "tests/test_service.py"}
    assert files(tmp_path / "mine") >= wanted
    assert ("make_model.py" in files(tmp_path / "mine")) == (kind in WITH_MODEL)
    said = capsys.readouterr().out
    assert f"Serve it with: model-service serve {tmp_path / 'mine'}" in said
    assert ("Make the model with: python" in said) == (kind in WITH_MODEL)
    config = json.loads((tmp_path / "mine" / "model" / "config.json").read_text())
    assert check_config(config) == []
    assert config["validation"] == {"request": "strict", "response": "strict"}


def test_labels_stand_in_two_places_that_agree(tmp_path: Path) -> None:
    for kind in ("image-classification", "object-detection"):
        main([str(tmp_path / kind), "--template", kind, "--no-model"])
        model = tmp_path / kind / "model"
        labels = json.dumps((model / "labels.txt").read_text().split())
        assert labels in json.dumps(json.loads((model / "config.json").read_text()))


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.slow] if kind in WITH_MODEL[1:] else [])
        for kind in (*WITH_MODEL, "custom")
    ],
)
def test_a_skeleton_is_without_findings_and_passes_its_own_test(kind: str, tmp_path: Path) -> None:
    """Its own test serves it and asks it."""
    assert main([str(tmp_path), "--template", kind]) == 0
    assert check_package(CheckOptions(tmp_path)).findings == ()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, check=False, env=quiet_environment(), cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "the following arguments are required: DIR, --template"),
        (["DIR", "--template", "other"], "invalid choice: 'other'"),
        ([__file__, "--template", "custom"], "is a file; name a folder"),
        ([str(TEMPLATES), "--template", "custom"], "is not empty; nothing is ever overwritten"),
    ],
)
def test_a_wrong_argument_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(TEMPLATES)
    assert main(arguments) == 2
    assert told in capsys.readouterr().err
    assert files(TEMPLATES) == before


def test_a_model_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "make_model.py").write_text("raise SystemExit('no data')\n")
    with pytest.raises(ModelNotMade, match=r"(?s)failed with status 1:\n  no data\nMend it and run: .*make_model.py"):
        make_model(tmp_path)


def test_help_imports_neither_tensorflow_nor_flask() -> None:
    program = (
        "import sys; from model_packaging.init.cli import main; status = main(['--help']); "
        "heavy = {'tensorflow', 'flask', 'keras', 'numpy'} & set(sys.modules); sys.exit(f'{status} {heavy}')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "0 set()"
