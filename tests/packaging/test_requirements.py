"""``model-service package requirements``: what config.json declares, as pip takes it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from model_packaging.cli import main
from model_packaging.requirements import requirement_of

WHEEL = "tiny_thing-1.0-py3-none-any.whl"
Run = Callable[..., int]


def entry(name: str, version: str = "", restraint: str = "") -> dict[str, str]:
    return {"package_name": name, "package_version": version, "restraint": restraint}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run(groups, *flags)`` writes a package that declares groups of packages, and runs the command on it."""

    def call(groups: Any, *flags: str) -> int:
        model = tmp_path / "pack age" / "model"
        model.mkdir(parents=True, exist_ok=True)
        content = {"dependencies": groups} if groups is not None else {"model_type": "TensorFlow"}
        (model / "config.json").write_text(json.dumps(content))
        return main(["requirements", str(model.parent), *flags])

    return call


def pip(*packages: dict[str, str], installer: str = "pip") -> dict[str, object]:
    return {"installer": installer, "packages": list(packages)}


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_restraints_become_specifiers_in_order(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run(
            [
                pip(
                    entry("scipy", "1.2", "ATLEAST"),
                    entry("numpy", "1.15.0", "EXACT"),
                    entry("h5py"),
                    entry("a", "2", "ATMOST"),
                )
            ]
        )
        == 0
    )
    assert lines(capsys.readouterr().out) == ["scipy>=1.2", "numpy==1.15.0", "h5py", "a<=2"]
    assert requirement_of(entry("numpy", "1.15.0", "EXACT")) == "numpy==1.15.0"
    assert requirement_of({"package_name": WHEEL}) == WHEEL


def test_groups_follow_each_other_and_can_be_had_one_by_one(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    groups = [pip(entry("numpy")), pip(entry("b")), pip(entry("a"))]
    assert run(groups) == 0
    text = capsys.readouterr().out
    assert lines(text) == ["numpy", "b", "a"]
    assert text.index("# group 1\nnumpy\n\n# group 2\nb\n\n# group 3\na\n") > 0
    assert run(groups, "--group", "2") == 0
    assert lines(capsys.readouterr().out) == ["b"]
    assert run(groups, "--group", "4") == 2
    assert "--group 4: there are 3 groups" in capsys.readouterr().err


def test_pip_itself_reads_the_file_and_installs_a_wheel_of_the_package(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "pack age" / "model"
    model.mkdir(parents=True)
    with zipfile.ZipFile(model / WHEEL, "w") as wheel:
        wheel.writestr("tiny_thing.py", "x = 1\n")
        folder = "tiny_thing-1.0.dist-info"
        wheel.writestr(f"{folder}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        wheel.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{folder}/RECORD", "")
    output = tmp_path / "requirements.txt"
    assert run([pip(entry(WHEEL), entry("numpy", "1", "ATLEAST"))], "--output", str(output)) == 0
    assert f"pip install -r {output}" in capsys.readouterr().out
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-deps", "-r", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Would install tiny-thing-1.0" in done.stdout.replace("_", "-")
    assert run([pip(entry("gone-1-py3-none-any.whl"))]) == 2
    assert "/dependencies/0/packages/0/package_name 'gone-1" in capsys.readouterr().err


def test_other_installers_and_broken_entries_are_named_by_pointer(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([pip(entry("numpy")), pip(entry("gcc"), installer="apt-get")]) == 2
    assert "/dependencies/1/installer is 'apt-get'; allowed: pip" in capsys.readouterr().err
    for package, message in (
        (entry("numpy", "1.0", "ABOUT"), "/dependencies/0/packages/0/restraint is 'ABOUT'"),
        (entry("num py", "1.0", "EXACT"), "/dependencies/0/packages/0 'num py==1.0' is no requirement of pip"),
        (entry("numpy", "new", "ATLEAST"), "/dependencies/0/packages/0 'numpy>=new' is no requirement of pip"),
        (entry("numpy==1"), "/dependencies/0/packages/0/package_name"),
    ):
        assert run([pip(package)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert "Traceback" not in error


def test_no_dependencies_make_an_empty_file(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for groups in (None, [pip()]):
        assert run(groups) == 0
        assert lines(capsys.readouterr().out) == []


def test_overrides_are_named(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    groups = [pip(entry("NumPy", "1.15.0", "EXACT"), entry("h5py"))]
    assert run(groups, "--override", "numpy==2.1", "--override", "H5py>3") == 0
    assert lines(capsys.readouterr().out) == [
        "numpy==2.1  # --override; config.json says NumPy==1.15.0",
        "H5py>3  # --override; config.json says h5py",
    ]
    assert run(groups, "--override", "scipy==1") == 2
    assert (
        "--override scipy==1: config.json declares no such dependency; it has: NumPy, h5py" in capsys.readouterr().err
    )
    assert run(groups, "--override", "==1") == 2
    assert "must be a requirement such as numpy==2.1" in capsys.readouterr().err


def test_modern_takes_what_is_installed_and_says_so(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    numpy, tensorflow = (importlib.metadata.version(name) for name in ("numpy", "tensorflow"))
    groups: list[dict[str, object]] = [
        pip(
            entry("numpy", "1.15.0", "EXACT"),
            entry("tensorflow-gpu", "1.8.0", "ATLEAST"),
            entry("Pillow", "999", "ATMOST"),
            entry("h5py", "2.8", "ATLEAST"),
            entry("unknown-thing", "1.0", "EXACT"),
            entry("opencv-python", "3.4", "EXACT"),
        )
    ]
    assert run(groups, "--modern", "--override", "opencv-python==4.5") == 0
    found = lines(capsys.readouterr().out)
    assert found == [
        f"numpy=={numpy}  # --modern; config.json says numpy==1.15.0, and this is installed here",
        f"tensorflow=={tensorflow}  # --modern; config.json says tensorflow-gpu>=1.8.0, and this is installed here",
        "Pillow<=999",
        "h5py>=2.8",
        "unknown-thing==1.0",
        "opencv-python==4.5  # --override; config.json says opencv-python==3.4",
    ]
    for line in found:
        Requirement(line.partition("  #")[0])


def test_archives_and_broken_files(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    config = tmp_path / "pack age" / "model" / "config.json"
    assert main(["archive", str(config.parent), "--output", str(tmp_path / "x.tar.gz")]) == 0
    assert main(["requirements", str(tmp_path / "x.tar.gz")]) == 2
    assert "is a file; unpack it and name the folder" in capsys.readouterr().err
    config.write_text("{")
    assert main(["requirements", str(config.parent)]) == 2
    assert "config.json line 1 column 2: not JSON" in capsys.readouterr().err
    config.write_text("{}")
    assert main(["requirements", str(config.parent), "--output", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["requirements", "image"])
@pytest.mark.parametrize(
    "package",
    [
        entry("numpy\n--index-url http://example.com"),
        entry("numpy", "1.0\nevil", "EXACT"),
        entry("-r /etc/passwd"),
        entry("tool @ http://example.com/tool.whl\n--pre"),
        entry("tool @ http://example.com/${SECRET}"),
        entry("evil\nrequests-1.0-py3-none-any.whl"),
        entry("evil\n-1.0-py3-none-any.whl"),
        entry("#x-1.0-py3-none-any.whl"),
    ],
    ids=lambda package: ascii(package["package_name"]),
)
def test_a_name_is_no_line_of_its_own(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, package: dict[str, str]
) -> None:
    assert run([pip(entry("numpy"))]) == 0
    if package["package_name"].endswith(".whl"):
        (tmp_path / "pack age" / "model" / package["package_name"]).touch()
    capsys.readouterr()
    if command == "requirements":
        assert run([pip(package)]) == 2
    else:
        (tmp_path / "pack age" / "model" / "config.json").write_text(json.dumps({"dependencies": [pip(package)]}))
        assert main(["image", str(tmp_path / "pack age"), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "/dependencies/0/packages/0" in said.err
    assert said.out == ""
    assert not (tmp_path / "out").exists()


def test_the_name_of_the_package_is_no_line_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "mine\nevil-package" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps({"dependencies": [pip(entry("numpy"))]}))
    assert main(["requirements", str(model.parent)]) == 0
    assert lines(capsys.readouterr().out) == ["numpy"]


def test_a_package_whose_name_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / os.fsdecode(b"caf\xff") / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    output = tmp_path / "requirements.txt"
    assert main(["requirements", str(model.parent), "--output", str(output)]) == 0
    assert output.read_text() == "# What 'caf\\udcff' declares in config.json, in its order.\n"
    capsys.readouterr()
