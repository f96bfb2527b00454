"""``model-service package inspect`` and ``diff``: what a package holds, and what differs between two."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.cli import main
from tests.conftest import MakePackage

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def package(make_package: MakePackage) -> Path:
    """A package of its own, with a SavedModel."""
    return make_package("digits", "digits")


@pytest.fixture
def other(package: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(package, tmp_path / "other"))


def archived(package: Path, tmp_path: Path) -> Path:
    path = tmp_path / "package.tar.gz"
    assert main(["archive", str(package), "--output", str(path)]) == 0
    return path


def test_inspect_says_what_is_there(package: Path, capsys: Capture) -> None:
    config = package / "model" / "config.json"
    content = json.loads(config.read_text())
    content["dependencies"] = [{"installer": "pip", "packages": [{"package_name": "numpy"}]}]
    content["metrics"] = {"f1": 0.5}
    config.write_text(json.dumps(content))
    assert main(["inspect", str(package)]) == 0
    text = capsys.readouterr().out
    for part in (
        "  signature predict_images\n    input  images: float32 [?, 784]\n    output scores: float32 [?, 10]\n",
        "  POST /\n    request: object\n      images: file\n    response: object\n      predicted_label: string\n",
        "          [0]: string\n          [1]: number\n",
        "dependencies\n  numpy\n",
        "metrics\n  f1: 0.5\n",
        "written by TensorFlow 2.",
        hashlib.sha256(config.read_bytes()).hexdigest()[:16] + "  model/config.json\n",
    ):
        assert part in text


def test_inspect_as_json_of_a_folder_and_of_its_archive(package: Path, tmp_path: Path, capsys: Capture) -> None:
    version = tmp_path / "runs" / "V0002"
    shutil.copytree(package, version)
    (version / "test_metrics.json").write_text('{"accuracy": 0.75}')
    archive = archived(tmp_path / "runs", tmp_path)
    capsys.readouterr()
    facts = []
    for path in (tmp_path / "runs", archive):
        assert main(["inspect", str(path), "--format", "json"]) == 0
        facts.append(json.loads(capsys.readouterr().out))
    assert facts[0].pop("package") == str(tmp_path / "runs")
    assert facts[1].pop("package") == str(archive)
    assert facts[0].pop("archive") is None
    assert facts[1].pop("archive")["size_bytes"] == archive.stat().st_size
    assert facts[0] == facts[1]
    assert facts[0]["training"] == {"version": "V0002", "test_metrics": {"accuracy": 0.75}}
    assert facts[0]["contract"]["apis"][0]["request"]["properties"] == {"images": {"type": "file"}}
    assert {file["path"] for file in facts[0]["files"]} >= {"model/config.json", "model/saved_model.pb"}


@pytest.mark.parametrize("name", ["broken_config", "odd_config", "own_inference", "two_classes"])
def test_inspect_takes_any_package(name: str, make_package: MakePackage, capsys: Capture) -> None:
    assert main(["inspect", str(make_package(name))]) == 0
    text = capsys.readouterr().out
    assert "without saved_model.pb\n" in text
    assert ("config.json line " in text) == (name == "broken_config")


def test_inspect_takes_odd_files(package: Path, capsys: Capture) -> None:
    model = package / "model"
    (model / "saved_model.pb").write_bytes(b"no message")
    (model / "out").symlink_to("/etc")
    (model / "gone").symlink_to("nowhere")
    Path(os.fsdecode(os.fsencode(model) + b"/\xff\n")).write_text("")
    (model / "out").unlink()
    (model / "out.txt").symlink_to("/etc/hostname")
    assert main(["inspect", str(package)]) == 0
    text = capsys.readouterr().out
    assert "saved_model.pb: not a SavedModel" in text
    assert "model/out.txt" in text
    assert "model/\\udcff\\n" in text
    assert main(["diff", str(package), str(package)]) == 0


def test_a_damaged_archive_is_not_inspected(package: Path, tmp_path: Path, capsys: Capture) -> None:
    archive = archived(package, tmp_path)
    content = bytearray(archive.read_bytes())
    content[-200] ^= 1
    archive.write_bytes(content)
    assert main(["inspect", str(archive)]) == 2
    assert "has been changed or damaged" in capsys.readouterr().err
    assert main(["diff", str(archive), str(package)]) == 2


def test_a_package_is_the_same_as_its_archive(package: Path, tmp_path: Path, capsys: Capture) -> None:
    archive = archived(package, tmp_path)
    capsys.readouterr()
    assert main(["diff", str(package), str(archive)]) == 0
    assert capsys.readouterr().out == "no difference\n"


def change_config(model: Path) -> None:
    content = json.loads((model / "config.json").read_text())
    content["apis"][0]["url"] = "/x"
    content["new"] = [1, {"a/b": True}]
    del content["metrics"]["f1"]
    (model / "config.json").write_text(json.dumps(content))


def change_service(model: Path) -> None:
    path = model / "customize_service.py"
    path.write_text(path.read_text().replace("[:5]", "[:3]"))


def change_weights(model: Path) -> None:
    path = model / "variables" / "variables.data-00000-of-00001"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


CHANGES: dict[str, tuple[Callable[[Path], object], list[str], list[str]]] = {
    "config": (
        change_config,
        ['  /apis/0/url: "/" -> "/x"\n', "  /metrics/f1: 0 -> (absent)\n", '  /new: (absent) -> [1, {"a/b": true}]\n'],
        ["@@", "weights: changed", "model\n"],
    ),
    "service": (change_service, ["--- model/customize_service.py\n", "\n-", "[:3]\n"], ["weights: changed"]),
    "weights": (
        change_weights,
        ["changed: model/variables/variables.data-00000-of-00001 (31,620 bytes, as before)\n", "weights: changed\n"],
        ["model\n  "],
    ),
    "broken config": (
        lambda model: (model / "config.json").write_text("{broken"),
        ["--- model/config.json\n", "+{broken\n"],
        ["Traceback"],
    ),
    "files": (
        lambda model: (model / "fingerprint.pb").rename(model / "helper.py").write_text("x = 1\n"),
        ["added: model/helper.py (6 bytes)\n", "removed: model/fingerprint.pb (", "+x = 1\n", "weights: the same\n"],
        [],
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_differs(case: str, package: Path, other: Path, capsys: Capture) -> None:
    change, wanted, unwanted = CHANGES[case]
    change(other / "model")
    assert main(["diff", str(package), str(other)]) == 1
    text = capsys.readouterr().out
    assert [part for part in wanted if part not in text] == []
    assert [part for part in unwanted if part in text] == []


def test_another_model(package: Path, make_package: MakePackage, capsys: Capture) -> None:
    assert main(["diff", str(package), str(make_package("digits", "pictures"))]) == 1
    text = capsys.readouterr().out
    for part in (
        "  signature: predict_images -> serving_default\n",
        "  input images: float32 [?, 784] -> float32 [?, ?, ?, 3]\n",
        "  output scores: float32 [?, 10] -> (absent)\n",
        "  output sums: (absent) -> float32 [?, 3]\n",
    ):
        assert part in text


def test_nothing_to_compare_with(package: Path, tmp_path: Path, capsys: Capture) -> None:
    for arguments in ([str(package), str(tmp_path / "nowhere")], [str(tmp_path), str(package)]):
        assert main(["diff", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("model-service package diff: ")
        assert "Traceback" not in error


def test_diff_says_that_only_the_writing_is_another(package: Path, other: Path, capsys: Capture) -> None:
    config = other / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()), indent=7))
    assert main(["diff", str(package), str(other)]) == 1
    assert capsys.readouterr().out.endswith("model/config.json\n  the same values, written another way\n")


def test_a_file_cannot_command_the_terminal(package: Path, other: Path, capsys: Capture) -> None:
    (other / "model" / "notes.py").write_text("x = '\x1b[2J\x9b1m'\n\ty = 'é'\n")
    assert main(["diff", str(package), str(other)]) == 1
    assert "+x = '\\x1b[2J\\x9b1m'\n+\ty = 'é'\n" in capsys.readouterr().out


def test_diff_of_a_package_without_a_model(make_package: MakePackage, package: Path, capsys: Capture) -> None:
    assert main(["diff", str(make_package("own_inference")), str(package)]) == 1
    text = capsys.readouterr().out
    assert "\n  input images: (absent) -> float32 [?, 784]\n" in text
    assert "(absent) -> (absent)" not in text
