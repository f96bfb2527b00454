"""``model-service package build TRAINING_OUTPUT``: the newest version, completed in place or laid out elsewhere."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_packaging.cli import main
from model_packaging.errors import BuildRefused
from model_packaging.training_run import find_training_run
from model_service.errors import SettingsError

SavedModels = Callable[[str], Path]

METRICS = {"f1": 0.5, "accuracy": 0.75, "loss": 0.1}


@pytest.fixture
def run(saved_model: SavedModels, tmp_path: Path) -> Path:
    """A training output with two versions; the newer one is numbered with three digits and has a model."""
    shutil.copytree(saved_model("strings"), tmp_path / "run" / "V0002" / "model")
    newest = tmp_path / "run" / "V010"
    shutil.copytree(saved_model("half_plus_two"), newest / "model")
    (newest / "test_metrics.json").write_text(json.dumps(METRICS))
    (tmp_path / "run" / "V0011").mkdir()  # a run that failed
    return tmp_path / "run"


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_newest_run_becomes_a_package_in_place(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(run)]) == 0
    model = run / "V010" / "model"
    assert "class TensorService" in (model / "customize_service.py").read_text()
    assert read_json(model / "config.json")["metrics"] == {"f1": 0.5, "accuracy": 0.75}
    assert not (run / "V0002" / "model" / "config.json").exists()
    said = capsys.readouterr().out
    assert f"{model / 'config.json'}: written" in said
    assert f"Serve it with: model-service serve {run / 'V010'}" in said
    assert main(["build", str(run), "--no-check"]) == 0  # again: nothing is changed
    assert f"{model / 'config.json'}: kept" in capsys.readouterr().out


def test_errors_of_the_check_are_shown_and_the_package_stays(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = run / "V010" / "model"
    (model / "config.json").write_text('{"model_algorithm": "1", "model_type": "TensorFlow"}')
    assert main(["build", str(run)]) == 1
    printed = capsys.readouterr().out
    assert "error: bad-model-algorithm  config.json:1 /model_algorithm" in printed
    assert (model / "customize_service.py").exists()


def test_the_package_may_go_elsewhere(run: Path, tmp_path: Path) -> None:
    before = sorted(path for path in run.rglob("*"))
    assert main(["build", str(run / "V010"), "--output", str(tmp_path / "out"), "--no-check"]) == 0
    assert read_json(tmp_path / "out" / "model" / "config.json")["metrics"]["accuracy"] == 0.75
    assert sorted(path for path in run.rglob("*")) == before


def test_a_model_one_folder_too_deep_is_found(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = run / "V010" / "model"
    model.rename(tmp_path / "deep")
    model.mkdir()
    (tmp_path / "deep").rename(model / "model")
    assert main(["build", str(run), "--no-check"]) == 2
    assert "is one folder too deep for a package; name a folder with --output DIR" in capsys.readouterr().err
    assert main(["build", str(run), "--output", str(tmp_path / "out"), "--no-check"]) == 0
    assert (tmp_path / "out" / "model" / "saved_model.pb").is_file()


def test_what_lies_beside_the_model_goes_elsewhere_with_it(run: Path, tmp_path: Path) -> None:
    model = run / "V010" / "model"
    (model / "customize_service.py").write_text("import helper\n\nclass A:\n    pass\n")
    (model / "helper.py").write_text("")
    (model / "data").mkdir()
    (model / "data" / "labels.txt").write_text("a\n")
    assert main(["build", str(run), "--output", str(tmp_path / "out"), "--no-check"]) == 0
    files = {str(path.relative_to(tmp_path / "out" / "model")) for path in (tmp_path / "out").rglob("*.*")}
    assert {"customize_service.py", "helper.py", "data/labels.txt", "saved_model.pb", "config.json"} <= files


def test_the_output_lies_elsewhere(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(run.rglob("*"))
    assert main(["build", str(run), "--output", str(run / "V010" / "model" / "out"), "--no-check"]) == 2
    assert "the folder of the model; name another" in capsys.readouterr().err
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize("flag", ["--input-name", "--output-name"])
def test_the_names_of_a_saved_model_are_its_own(run: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main(["build", str(run), flag, "x"]) == 2
    assert f"{flag}: is for Keras files" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--service", "--config"])
def test_a_run_is_not_changed_in_place(run: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main(["build", str(run), flag, "x"]) == 2
    assert f"{flag}: goes with --output DIR" in capsys.readouterr().err


def test_a_run_is_found_by_any_of_its_folders(run: Path) -> None:
    for path in (run, run / "V010", run / "V010" / "model"):
        assert find_training_run(path).saved_model == run / "V010" / "model"
        assert find_training_run(path).metrics == {"f1": 0.5, "accuracy": 0.75}


def test_metrics_that_cannot_be_used_are_named(run: Path) -> None:
    (run / "V010" / "test_metrics.json").write_text('{"f1": "high"}')
    found = find_training_run(run)
    assert found.metrics is None
    assert "f1 is 'high', not a number" in found.remarks[0]


def test_what_holds_no_model_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "V010" / "model" / "saved_model.pb").unlink()
    with pytest.raises(BuildRefused, match=r"no SavedModel. Looked for .*V010/model/saved_model.pb and .*model/model"):
        find_training_run(run)
    with pytest.raises(SettingsError, match="no such folder"):
        find_training_run(tmp_path / "nowhere")
