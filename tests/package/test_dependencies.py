"""What a package declares to need: read leniently, looked for without importing, named by what has to be installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from model_service.package.dependencies import (
    install_line,
    line_for_module,
    missing_dependencies,
    read_dependencies,
)
from model_service.package.import_names import distribution_of, import_names_of, normalized


def packages(*entries: object, installer: object = "pip") -> dict[str, object]:
    return {"installer": installer, "packages": list(entries)}


def entry(name: object, version: object = "", restraint: object = "") -> dict[str, object]:
    return {"package_name": name, "package_version": version, "restraint": restraint}


def test_groups_and_their_order() -> None:
    config = {
        "dependencies": [
            packages(entry("numpy", "1.15.0", "EXACT"), entry("h5py")),
            packages(entry("scipy", "1.2", "ATLEAST"), {"package_name": "Pillow"}, entry("x", "3", "ATMOST")),
        ]
    }
    found = read_dependencies(config)
    assert [each.requirement for each in found] == ["numpy==1.15.0", "h5py", "scipy>=1.2", "Pillow", "x<=3"]
    assert [each.group for each in found] == [0, 0, 1, 1, 1]
    assert found[3].pointer == "/dependencies/1/packages/1"


@pytest.mark.parametrize(
    "dependencies",
    [
        None,
        1,
        "numpy",
        {},
        [1, None],
        [{}],
        [{"packages": 1}],
        [packages(1, None, {}, entry(1), entry(""), entry(" "))],
    ],
)
def test_what_makes_no_sense_is_left_out(dependencies: object) -> None:
    assert read_dependencies({"dependencies": dependencies}) == ()


def test_odd_versions_are_none() -> None:
    odd = [
        entry("a", "1"),
        entry("a", "", "EXACT"),
        entry("a", 1, "EXACT"),
        entry("a", "1", "SOMEHOW"),
        entry("a", "1", []),
    ]
    assert {each.requirement for each in read_dependencies({"dependencies": [packages(*odd)]})} == {"a"}
    assert read_dependencies({"dependencies": [packages(entry("a"), installer="conda")]}) == ()
    assert len(read_dependencies({"dependencies": [{"packages": [entry("a")]}]})) == 1


def test_only_what_is_certainly_absent_is_missing(tmp_path: Path) -> None:
    (tmp_path / "own_module.py").touch()
    (tmp_path / "own_folder").mkdir()
    names = [
        *("numpy", "Pillow", "PIL", "TensorFlow", "tensorflow-gpu", "tensorflow_cpu", "scikit_learn", "own-module"),
        *("own_folder", "pytest[dev]", "no-such-thing", "opencv-python", "no_such-1.0-py3-none-any.whl"),
    ]
    found = read_dependencies({"dependencies": [packages(*(entry(name, "99", "ATLEAST") for name in names))]})
    before = set(sys.modules)
    missing = missing_dependencies(found, tmp_path)
    assert [each.name for each in missing] == names[-3:]
    assert not {"tensorflow", "sklearn"} & (set(sys.modules) - before)
    assert install_line(missing, tmp_path) == (
        f"pip install 'no-such-thing>=99' 'opencv-python>=99' {tmp_path}/no_such-1.0-py3-none-any.whl"
    )


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("cv2", "opencv-python"),
        ("PIL.Image", "pillow"),
        ("sklearn.externals", "scikit-learn"),
        ("google.protobuf.message", "protobuf"),
        ("yaml", "pyyaml"),
        ("numpy", "numpy"),
        ("my_module.part", "my_module"),
    ],
)
def test_the_distribution_of_a_module(module: str, distribution: str) -> None:
    assert distribution_of(module) == distribution


def test_the_declared_distribution_wins(tmp_path: Path) -> None:
    declared = read_dependencies(
        {
            "dependencies": [
                packages(entry("numpy"), entry("OpenCV_Python.Headless", "4.5", "ATLEAST"), entry("My.Module"))
            ]
        }
    )
    assert distribution_of("cv2", ["numpy", "OpenCV_Python.Headless"]) == "OpenCV_Python.Headless"
    assert line_for_module("cv2", declared, tmp_path) == "pip install 'OpenCV_Python.Headless>=4.5'"
    assert line_for_module("my_module.x", declared, tmp_path) == "pip install My.Module"
    assert line_for_module("skimage", declared, tmp_path) == "pip install scikit-image"


def test_modules_of_a_distribution() -> None:
    assert import_names_of("Pillow") == ("PIL", "Pillow", "pillow")
    assert import_names_of("tensorflow-gpu") == ("tensorflow", "tensorflow_gpu")
    assert import_names_of("Some-Thing[x]") == ("Some_Thing", "some_thing")
    assert normalized("Some__Thing.-x[extra]") == "some-thing-x"
