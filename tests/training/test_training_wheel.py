"""What must be in a wheel so that ``model-service train`` works where there is no repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
FIND = """
import sys
sys.path.insert(0, sys.argv[1])
from model_training.completion import TEMPLATE
from model_training.job import find_script
print(find_script("tf"), find_script("keras"), TEMPLATE, sep="\\n")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of a wheel built from a copy of the repository."""
    source, wheels, target = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "installed"))
    for path in REPOSITORY.iterdir():
        if path.is_file():
            shutil.copy(path, source)
        elif path.name in ("docker", "model_service", "packaging", "train"):
            shutil.copytree(path, source / path.name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", BUILD, str(wheels)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_a_wheel_has_the_scripts_of_the_repository(installed: Path) -> None:
    bitahub = ("bitahub/train.py", "bitahub/predict.py", "bitahub/evaluate.py")
    for name in ("train_mnist_tf.py", "train_mnist_keras.py", *bitahub):
        assert (installed / "model_training" / "scripts" / name).read_bytes() == (
            REPOSITORY / "train" / name
        ).read_bytes()


def test_a_wheel_has_the_sample_package(installed: Path) -> None:
    template = REPOSITORY / "train" / "model_training" / "template"
    for name in ("config.json", "customize_service.py"):
        assert (installed / "model_training" / "template" / name).read_bytes() == (template / name).read_bytes()


def test_a_wheel_has_what_packages_are_made_from(installed: Path) -> None:
    packaging = REPOSITORY / "packaging" / "model_packaging"
    pairs = {installed / "model_packaging" / "docker": REPOSITORY / "docker"}
    pairs |= {installed / "model_packaging" / room: packaging / room for room in ("init", "starter")}
    for found, wanted in pairs.items():
        endings = (".yaml",) if wanted.name == "docker" else ("",)
        names = {
            path.relative_to(wanted)
            for path in wanted.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.name.endswith(endings)
        }
        assert names
        assert [name for name in names if not (found / name).is_file()] == []


def test_an_installed_wheel_finds_its_own(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", FIND, str(installed)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    found = [Path(line) for line in done.stdout.splitlines()]
    assert len(found) == 3
    assert all(path.is_relative_to(installed) for path in found)
