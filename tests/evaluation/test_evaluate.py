"""The verb ``evaluate``, from files to files."""

from __future__ import annotations

import json
import os
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model_service.cli import main

Evaluate = Callable[..., tuple[int, str, str]]

TRUTH = [7, 2, 1, 0]
SCORES = [[0.0] * 7 + [0.98, 0.02, 0.0], [0.0, 0.9, 0.1] + [0.0] * 7, [0.0, 1.0] + [0.0] * 8, [0.6, 0.4] + [0.0] * 8]


@pytest.fixture
def evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """``evaluate(*flags)`` runs the verb on the files of the fixture: its status, output and errors."""
    np.save(tmp_path / "scores.npy", np.array(SCORES, np.float32))
    (tmp_path / "labels").write_bytes(b"\0\0\x08\x01" + struct.pack(">I", 4) + bytes(TRUTH))
    (tmp_path / "images").write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", 4, 2, 3) + bytes(range(24)))

    def run(*flags: str | Path, predictions: str = "scores.npy", labels: str = "labels") -> tuple[int, str, str]:
        places = ["--predictions", tmp_path / predictions, "--labels", tmp_path / labels, "--output", tmp_path / "out"]
        status = main(["evaluate", *map(str, places), *map(str, flags)])
        output = capsys.readouterr()
        return status, output.out, output.err

    return run


def result(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "out" / "evaluation_result.json").read_text(encoding="utf-8"))
    return content


def test_everything(evaluate: Evaluate, tmp_path: Path) -> None:
    status, output, errors = evaluate("--images", tmp_path / "images")
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0] == "Accuracy is 0.7500"
    assert lines[1] == "items 4, correct 3, failed 0, joined by order"
    assert lines[3].startswith("probabilities: log loss 0.70")
    assert [line.split() for line in lines[4:6]] == [
        ["class", "precision", "recall", "f1", "support"],
        ["0", "1.0000", "1.0000", "1.0000", "1"],
    ]
    names = ["evaluation_result.json", "confusion_matrix.png", "worst_mistakes.png"]
    assert lines[-1] == "written: " + ", ".join(str(tmp_path / "out" / name) for name in names)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    found = result(tmp_path)
    assert next(iter(found.items())) == ("accuracy", 0.75)
    assert found["classes"] == ["0", "1", "2", "7"]
    assert found["confusion_matrix"] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    for name in names[1:]:
        with Image.open(tmp_path / "out" / name) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert min(picture.size) > 100


def test_without_pictures_there_is_a_line_and_none_of_an_earlier_run(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate("--images", tmp_path / "images")
    status, output, _ = evaluate()
    assert status == 0
    assert "no worst_mistakes.png: it needs the items' pictures, give --images" in output.splitlines()
    assert not (tmp_path / "out" / "worst_mistakes.png").exists()
    assert (tmp_path / "out" / "confusion_matrix.png").exists()
    evaluate("--no-pictures")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["evaluation_result.json"]


def test_no_mistakes(evaluate: Evaluate, tmp_path: Path) -> None:
    np.save(tmp_path / "right.npy", np.array(TRUTH))
    _, output, _ = evaluate("--images", tmp_path / "images", predictions="right.npy")
    assert "no worst_mistakes.png: no answer is wrong" in output.splitlines()
    assert "no calibration: the predictions have no scores" in output.splitlines()


def test_lines_of_a_batch_run_with_a_folder_of_pictures(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "b.png")
    answers = [
        {"item": 0, "source": "a.png", "result": "FAILED", "error_message": "is no picture"},
        {"item": 1, "source": "b.png", "result": "SUCCESSFUL", "answer": {"best": "\u732b"}},
        {"item": 2, "source": "c.png", "result": "SUCCESSFUL", "answer": {"best": "\u72d7"}},
    ]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, answers)))
    (tmp_path / "l.csv").write_text("c.png,\u72d7\nb.png,\u72d7\na.png,\u732b\n", encoding="utf-8")
    flags = ["--answer", "/best", "--images", tmp_path / "pictures"]
    status, output, _ = evaluate(*flags, predictions="p.jsonl", labels="l.csv")
    assert status == 0
    assert output.splitlines()[:3] == [
        "Accuracy is 0.3333",
        "items 3, correct 1, failed 1, joined by source",
        "failed items count as wrong; the first is item 0: is no picture",
    ]
    assert (tmp_path / "out" / "worst_mistakes.png").exists()
    assert set(result(tmp_path)["per_class"]) == {"\u732b", "\u72d7"}


def test_a_table_of_many_classes_is_short(evaluate: Evaluate, tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(50)]
    (tmp_path / "l.csv").write_text("\n".join(names))
    np.save(tmp_path / "p.npy", np.array([*names[:49], "class 0"]))
    _, output, _ = evaluate("--no-pictures", predictions="p.npy", labels="l.csv")
    rows = [line for line in output.splitlines() if line.startswith("class ")]
    assert len(rows) == 21
    assert rows[1].split()[:5] == ["class", "49", "0.0000", "0.0000", "0.0000"]
    assert "(30 more classes in the result file; these have the lowest f1)" in output.splitlines()
    assert len(result(tmp_path)["per_class"]) == 50


@pytest.mark.parametrize(("wanted", "status"), [("0.75", 0), ("0.7501", 1), ("0", 0), ("1", 1)])
def test_min_accuracy(evaluate: Evaluate, tmp_path: Path, wanted: str, status: int) -> None:
    found, output, errors = evaluate("--no-pictures", "--min-accuracy", wanted)
    assert found == status
    assert errors == (f"model-service evaluate: accuracy 0.75 is below --min-accuracy {wanted}\n" if status else "")
    assert output.startswith("Accuracy is 0.7500\n")
    assert (tmp_path / "out" / "evaluation_result.json").exists()


@pytest.mark.parametrize(
    "flags",
    [["--min-accuracy", "2"], ["--min-accuracy", "nan"], ["--min-accuracy", "x"], ["--answer", "label"], ["--nope"]],
)
def test_usage(evaluate: Evaluate, flags: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        evaluate(*flags)
    assert caught.value.code == 2


def test_what_cannot_run_says_why_and_writes_nothing(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text("1\n2\n")
    (tmp_path / "file").touch()
    cases = [
        ([], {"predictions": "nowhere.npy"}, "nowhere.npy: cannot be read: No such file"),
        ([], {"labels": "short.csv"}, "scores.npy holds 4 predictions but"),
        (["--images", tmp_path / "labels"], {}, "labels: uint8 [4] are no pictures"),
        (["--images", tmp_path / "nowhere"], {}, "nowhere: cannot be read"),
        (["--update-metrics", tmp_path / "nowhere"], {}, "nowhere: no such folder"),
        (["--output", tmp_path / "file"], {}, "file: is there and is no folder"),
        (["--output", tmp_path / "file" / "x"], {}, "x: cannot be made: Not a directory"),
    ]
    for flags, files, message in cases:
        status, output, errors = evaluate(*flags, **files)
        assert (status, output) == (2, "")
        assert errors.startswith("model-service evaluate: ")
        assert message in errors
    assert not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_replaced(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "out" / "evaluation_result.json" / "x").mkdir(parents=True)
    status, _, errors = evaluate("--no-pictures")
    assert status == 2
    assert "evaluation_result.json: cannot be written: Is a directory" in errors
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["evaluation_result.json"]


# config.json


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "package" / "model").mkdir(parents=True)
    return tmp_path / "package"


def write_config(package: Path, text: str) -> Path:
    path = package / "model" / "config.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_metrics_are_written_into_the_package_and_nothing_else_changes(evaluate: Evaluate, package: Path) -> None:
    before = '{"z": 1, "metrics": {"auc": 0.5, "f1": 0}, "a": ["\u732b", null], "n": 1e3}'
    path = write_config(package, before)
    path.chmod(0o640)
    status, output, _ = evaluate("--no-pictures", "--update-metrics", package)
    assert status == 0
    assert output.splitlines()[-1].endswith(f", {path}")
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)
    assert list(content) == ["z", "metrics", "a", "n"]
    assert text == json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    metrics = content.pop("metrics")
    assert list(metrics) == ["auc", "f1", "accuracy", "precision", "recall"]
    assert (metrics["auc"], metrics["accuracy"]) == (0.5, 0.75)
    assert metrics["f1"] == pytest.approx((1 + 2 / 3 + 0 + 1) / 4)
    assert metrics["recall"] == 0.75
    assert metrics["precision"] == pytest.approx((1 + 1 / 2 + 0 + 1) / 4)
    assert content == {"z": 1, "a": ["\u732b", None], "n": 1000}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [child.name for child in path.parent.iterdir()] == ["config.json"]


@pytest.mark.parametrize("text", ["{}", '{"metrics": null}', "\ufeff{}"])
def test_metrics_where_there_were_none(evaluate: Evaluate, package: Path, text: str) -> None:
    path = write_config(package, text)
    assert evaluate("--no-pictures", "--update-metrics", package / "model")[0] == 0
    assert json.loads(path.read_text())["metrics"]["accuracy"] == 0.75


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "must be a JSON object, not list"),
        ('{"a": 1,}', "not JSON"),
        ('{"metrics": [1]}', "metrics must be an object, not list"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands twice in one object"),
        ('{"a": NaN}', "NaN is no number that JSON has"),
        ('{"a": 1e999}', "1e999 is no number that JSON has, or too large"),
        ("[" * 100_000, "nests too deeply"),
    ],
)
def test_a_config_that_cannot_be_kept_whole_is_refused(
    evaluate: Evaluate, package: Path, tmp_path: Path, text: str, message: str
) -> None:
    path = write_config(package, text)
    status, _, errors = evaluate("--no-pictures", "--update-metrics", package)
    assert status == 2
    assert f"{path}: " in errors
    assert message in errors
    assert path.read_text() == text
    assert not (tmp_path / "out").exists()


def test_a_package_without_a_config(evaluate: Evaluate, package: Path) -> None:
    (package / "model" / "customize_service.py").touch()
    status, _, errors = evaluate("--update-metrics", package)
    assert status == 2
    assert "has no config.json" in errors


# other processes


def run_in_child(tmp_path: Path, before: str, *flags: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    np.save(tmp_path / "p.npy", np.array(["\u732b", "x"]))
    (tmp_path / "l.csv").write_text("\u732b\n\u732b\n", encoding="utf-8")
    arguments = ["evaluate", "--predictions", "p.npy", "--labels", "l.csv", "--output", "out", *flags]
    code = f"import sys; {before}; from model_service.cli import main; sys.exit(main({arguments!r}))"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("module", "flags"), [("sklearn", ["--no-pictures"]), ("matplotlib", [])])
def test_without_the_extra_it_says_how_to_install_it(tmp_path: Path, module: str, flags: list[str]) -> None:
    done = run_in_child(tmp_path, f"sys.modules[{module!r}] = None", *flags)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"model-service evaluate: {module}")
    assert "pip install 'tf-model-service[evaluate]'" in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_pictures_needs_no_matplotlib_and_a_plain_terminal_is_enough(tmp_path: Path) -> None:
    done = run_in_child(tmp_path, "sys.modules['matplotlib'] = None", "--no-pictures", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u732b" in done.stdout
