"""``model-service package build`` from a SavedModel: what it lays out, and everything it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from model_packaging.cli import main
from model_service.package.layout import find_package
from model_service.tfs.signature import read_saved_model_signature
from model_training.completion import TEMPLATE

SavedModels = Callable[[str], Path]
Build = Callable[..., int]


@pytest.fixture
def model(saved_model: SavedModels, tmp_path: Path) -> Path:
    """A copy of a real SavedModel for a test to damage."""
    folder = tmp_path / "saved"
    shutil.copytree(saved_model("digits"), folder)
    return folder


@pytest.fixture
def build(model: Path, tmp_path: Path) -> Build:
    """``build(**flags)`` runs the command into tmp_path/out; a flag that is None is left out."""

    def run(**changes: str | Path | None) -> int:
        flags = {
            "model": model,
            "service": TEMPLATE / "customize_service.py",
            "config": TEMPLATE / "config.json",
            "output": tmp_path / "out",
            **changes,
        }
        given = {name: value for name, value in flags.items() if value is not None}
        arguments = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
        return main(["build", "--no-check", *arguments])

    return run


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_package_is_laid_out(build: Build, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "assets").mkdir(exist_ok=True)
    (model / "assets" / "vocabulary.txt").write_text("a\n")
    (model / "notes.txt").write_text("not part of the model")
    expected = {f"model/{name}": content for name, content in tree(model).items() if name != "notes.txt"}
    expected["model/config.json"] = (TEMPLATE / "config.json").read_bytes()
    expected["model/customize_service.py"] = (TEMPLATE / "customize_service.py").read_bytes()
    assert build() == 0
    assert tree(tmp_path / "out") == expected
    assert {path.name for path in tmp_path.iterdir()} == {"saved", "out"}  # nothing half-made is left beside it
    layout = find_package(tmp_path / "out")
    assert read_saved_model_signature(layout.model_directory).name == "predict_images"
    assert f"Serve it with: model-service serve {tmp_path / 'out'}" in capsys.readouterr().out


def test_an_empty_output_is_used(build: Build, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert build() == 0
    assert (tmp_path / "out" / "model" / "saved_model.pb").is_file()


def test_the_output_may_lie_deep(build: Build, tmp_path: Path) -> None:
    assert build(output=tmp_path / "a" / "b" / "c") == 0
    assert (tmp_path / "a" / "b" / "c" / "model" / "saved_model.pb").is_file()


def test_parts_beside_the_model_are_taken(build: Build, model: Path, tmp_path: Path) -> None:
    shutil.copy(TEMPLATE / "config.json", model)
    shutil.copy(TEMPLATE / "customize_service.py", model)
    assert build(service=None, config=None) == 0
    assert {"model/config.json", "model/customize_service.py"} <= set(tree(tmp_path / "out"))


def test_a_package_needs_no_service(build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A contract that is given is somebody's own; a starter of ours would not keep it."""
    assert build(service=None) == 0
    assert "model/customize_service.py" not in tree(tmp_path / "out")
    assert "none; the default service" in capsys.readouterr().out


def test_a_service_of_ones_own_gets_no_contract_of_ours(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(config=None) == 0
    config = json.loads((tmp_path / "out" / "model" / "config.json").read_text())
    assert set(config) == {"model_algorithm", "model_type", "runtime"}
    assert "without a contract: add apis" in capsys.readouterr().out


def test_a_service_of_any_name_gets_the_fixed_one(build: Build, tmp_path: Path) -> None:
    service = tmp_path / "my_service.py"
    service.write_text("class Mine: pass\n")
    assert build(service=service) == 0
    assert (tmp_path / "out" / "model" / "customize_service.py").read_text() == "class Mine: pass\n"


def test_helpers_that_stay_behind_are_named(build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = tmp_path / "customize_service.py"
    service.write_text("import json\nimport helper\nfrom labels import NAMES\nclass Mine: pass\n")
    for name in ("helper.py", "labels.py", "other.py"):
        (tmp_path / name).write_text("")
    assert build(service=service) == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "helper.py") in said
    assert str(tmp_path / "labels.py") in said
    assert "other.py" not in said


def test_wheels_that_the_config_names_come_along(build: Build, tmp_path: Path) -> None:
    config = json.loads((TEMPLATE / "config.json").read_text())
    config["dependencies"][0]["packages"].append({"package_name": "mine-1.0-py3-none-any.whl"})
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert build(config=tmp_path / "config.json") == 2  # there is none of that name
    (tmp_path / "mine-1.0-py3-none-any.whl").write_bytes(b"wheel")
    (tmp_path / "other-1.0-py3-none-any.whl").write_bytes(b"wheel")
    assert build(config=tmp_path / "config.json") == 0
    assert [path.name for path in (tmp_path / "out" / "model").glob("*.whl")] == ["mine-1.0-py3-none-any.whl"]


def refused(build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], **flags: str | Path | None) -> str:
    """Build, expect a refusal that wrote nothing, and return what was said."""
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert build(**flags) == 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


Damage = Callable[[Path], object]


def _name_shards(folder: Path) -> None:
    data = folder / "variables" / "variables.data-00000-of-00001"
    data.rename(folder / "variables" / "variables.data-00000-of-00002")


MODEL_FAULTS: dict[str, tuple[Damage, list[str]]] = {
    "no saved_model.pb": (lambda folder: (folder / "saved_model.pb").unlink(), ["no saved_model.pb", "variables"]),
    "text form": (
        lambda folder: (folder / "saved_model.pb").rename(folder / "saved_model.pbtxt"),
        ["saved_model.pbtxt", "binary form"],
    ),
    "no variables": (lambda folder: shutil.rmtree(folder / "variables"), ["saved/variables: missing"]),
    "no index": (
        lambda folder: (folder / "variables" / "variables.index").unlink(),
        ["variables.index: missing", "incomplete"],
    ),
    "no data": (
        lambda folder: (folder / "variables" / "variables.data-00000-of-00001").unlink(),
        ["variables.data-00000-of-00001: missing"],
    ),
    "a shard is missing": (_name_shards, ["variables.data-00001-of-00002: missing"]),
    "a second model": (
        lambda folder: shutil.copy(folder / "saved_model.pb", folder / "frozen.pb"),
        ["more than one model file", "frozen.pb"],
    ),
    "no SavedModel": (lambda folder: (folder / "saved_model.pb").write_bytes(b"\xff\xff"), ["not a SavedModel"]),
}


@pytest.mark.parametrize("fault", MODEL_FAULTS)
def test_an_incomplete_model_is_refused(
    build: Build, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    damage, expected = MODEL_FAULTS[fault]
    damage(model)
    said = refused(build, tmp_path, capsys)
    for text in [str(model), *expected]:
        assert text in said


def test_a_folder_above_the_model_is_pointed_out(
    build: Build, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "versions").mkdir()
    model.rename(tmp_path / "versions" / "1")
    said = refused(build, tmp_path, capsys, model=tmp_path / "versions")
    assert f"Name the folder of one model: {tmp_path / 'versions' / '1'}" in said


def test_a_model_without_a_usable_signature_is_refused(
    build: Build, saved_model: SavedModels, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = saved_model("two_signatures")
    said = refused(build, tmp_path, capsys, model=two)
    assert f"{two / 'saved_model.pb'}: the model must have exactly one signature" in said
    service = tmp_path / "own_inference.py"
    service.write_text("class Mine:\n    def _inference(self, data):\n        return data\n")
    assert build(model=two, service=service) == 0


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"model": "nowhere"}, "--model nowhere: no such file or folder"),
        ({"model": __file__}, "must be the folder of a SavedModel, or a Keras file (.keras, .h5, .hdf5)"),
        ({"config": "nowhere.json"}, "nowhere.json: cannot be read"),
        ({"service": "nowhere.py"}, "nowhere.py: cannot be read"),
        ({"input_name": "images"}, "--input-name and --output-name are for Keras files"),
        ({"output_name": "scores"}, "--input-name and --output-name are for Keras files"),
        ({"output": __file__}, "is a file; name a folder"),
    ],
)
def test_a_wrong_argument_is_told(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: dict[str, str | None], told: str
) -> None:
    assert told in refused(build, tmp_path, capsys, **flags)


def test_the_pb_file_itself_is_pointed_past(
    build: Build, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(build, tmp_path, capsys, model=model / "saved_model.pb")
    assert "Name the folder it lies in." in said


def test_a_package_is_never_overwritten(build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    said = refused(build, tmp_path, capsys)
    assert f"--output {tmp_path / 'out'}: is not empty" in said


CONFIG_FAULTS: dict[str, tuple[str | bytes, str]] = {
    "comment": ('{\n  "a": 1, // why\n}', "line 2 column 11: not JSON"),
    "NaN": ('{"metrics": {"f1": NaN}}', "NaN is no JSON number"),
    "double key": ('{"model_type": "a", "model_type": "b"}', "the key 'model_type' stands twice"),
    "not UTF-8": (b'{"a": "\xff"}', "is not UTF-8 (byte 7)"),
    "rules": ('{"model_type": "TensorFlo"}', "  /model_type is 'TensorFlo' (did you mean TensorFlow?)"),
    "another engine": ('{"model_type": "PyTorch", "model_algorithm": "a"}', "/model_type is 'PyTorch', but the model"),
    "deep": ("[" * 100_000, "not usable JSON"),
}


@pytest.mark.parametrize("fault", CONFIG_FAULTS)
def test_a_config_that_breaks_the_rules_is_refused(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    content, told = CONFIG_FAULTS[fault]
    path = tmp_path / "my.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refused(build, tmp_path, capsys, config=path)
    assert str(path) in said
    assert told in said


@pytest.mark.parametrize(
    ("text", "told"),
    [("print 'python 2'\nclass A: pass\n", ":1: not valid Python"), ("x = 1\n", "defines no class")],
)
def test_a_service_that_cannot_be_one_is_refused(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, told: str
) -> None:
    path = tmp_path / "my_service.py"
    path.write_text(text)
    said = refused(build, tmp_path, capsys, service=path)
    assert str(path) in said
    assert told in said


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"]])
def test_help_imports_neither_tensorflow_nor_flask(arguments: list[str]) -> None:
    program = (
        "import sys; from model_packaging.cli import main; status = main(sys.argv[1:]); "
        "heavy = {'tensorflow', 'flask', 'keras', 'numpy'} & set(sys.modules); sys.exit(f'{status} {heavy}')"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "0 set()"
    assert "usage: model-service package" in done.stdout


def test_a_saved_model_is_packed_without_tensorflow(saved_model: SavedModels, tmp_path: Path) -> None:
    program = (
        "import sys; from model_packaging.cli import main; status = main(sys.argv[1:]); "
        "sys.exit(f\"{status} {'tensorflow' in sys.modules}\")"
    )
    arguments = ["--model", saved_model("digits"), "--config", TEMPLATE / "config.json", "--output", tmp_path / "out"]
    command = [sys.executable, "-c", program, "build", "--no-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "0 False"


def test_usage_errors_have_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, told in (
        ([], "usage: model-service package COMMAND"),
        (["bild"], "unknown command 'bild'; one of: build"),
        (["build"], "name either a training output or a model with --model"),
        (["build", "--model", "m"], "--output is needed with --model"),
        (["build", "--model", "m", str(tmp_path)], "name either a training output or a model"),
    ):
        assert main(arguments) == 2
        assert told in capsys.readouterr().err
