"""The install steps of docker/Dockerfile, in a virtual environment: an adapter that has no TensorFlow serves."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from model_service.backend.local import local_model_server
from model_service.client import Client

SavedModels = Callable[[str], Path]
MakePackage = Callable[..., Path]

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docker" / "adapter_environment.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("adapter_environment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_requirements_of_setup_are_known(script: ModuleType) -> None:
    needed, of_messages = script.split_requirements(ROOT / "setup.cfg")
    assert [re.match(r"[a-z-]+", each)[0] for each in of_messages] == list(script.MESSAGE_DISTRIBUTIONS)  # type: ignore[index]
    assert "granian>=2.7" in needed
    assert "protobuf>=5" in needed
    assert not any(each.startswith("tensorflow") for each in needed)


def test_only_message_modules_are_taken(script: ModuleType, tmp_path: Path) -> None:
    names = ["tensorflow/core/framework/types_pb2.py", "tensorflow_serving/apis/model_pb2_grpc.py"]
    others = [
        "tensorflow/__init__.py",
        "tensorflow/libtensorflow.so",
        "tensorflow/python/a_pb2.py",
        "tensorflow/core/x.py",
    ]
    with zipfile.ZipFile(tmp_path / "one.whl", "w") as archive:
        for name in (*names, *others):
            archive.writestr(name, "x")
    assert script.copy_messages(tmp_path, tmp_path / "out") == 2
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.py")) == names


def test_a_wrong_call_is_told() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "usage: adapter_environment.py ENVIRONMENT SOURCE\n")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_adapter_without_tensorflow_serves(
    make_package: MakePackage, saved_model: SavedModels, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("model_service", "packaging", "train", "docker"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, timeout=120)
    done = subprocess.run(
        [sys.executable, str(source / "docker" / "adapter_environment.py"), str(environment), str(source)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    package = make_package("digits", "digits")
    with local_model_server(saved_model("digits")) as server:
        answer = ask_adapter(environment, package, server.target, tmp_path)
    assert answer["predicted_label"] in "0123456789"


def ask_adapter(environment: Path, package: Path, target: str, folder: Path) -> dict[str, str]:
    """Serve a package in the environment, ask it once, and look which TensorFlow it has."""
    python = environment / "bin" / "python"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    look = (
        "import importlib.metadata as metadata, tensorflow; "
        "print(hasattr(tensorflow, '__version__'), *metadata.packages_distributions().get('tensorflow', []))"
    )
    said = subprocess.run([str(python), "-c", look], capture_output=True, text=True, check=True, cwd=folder, env=clean)
    assert said.stdout == "False\n"
    command = [str(environment / "bin" / "model-service"), "serve", str(package), "--port", "0", "--backend", target]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=clean
    ) as process:
        stopper = threading.Timer(60, process.kill)
        stopper.start()
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                ready = re.search(r"ready: (http://\S+)", line)
                if ready:
                    break
            else:
                pytest.fail("".join(lines))
            with Client(ready[1]) as client:
                answer: dict[str, str] = client.predict(files={"images": ROOT / "tests" / "data" / "digit.png"})
        finally:
            process.terminate()
            stopper.cancel()
    return answer
