"""What is installed, and which room may know what: read from the files, nothing of them is run."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "model_service"
# Folders of single files, installed below a package, that must not become packages themselves.
WITHOUT_INIT = {"model_training.scripts", "model_training.scripts.bitahub", "model_packaging.docker"}

HTTP = ("flask", "werkzeug", "granian", "multipart", "http", "urllib", "uvloop", "socketserver", "wsgiref")
# http.HTTPStatus is a table of numbers, and numbers are what errors carry.
HTTP_STATUSES = ("http.HTTPStatus",)


def setup_list(text: str) -> list[str]:
    return text.split()


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def packages_on_disk() -> set[str]:
    found = set()
    for source in (ROOT, ROOT / "packaging", ROOT / "train"):
        for top in ("model_service", "model_packaging", "model_training"):
            for init in (source / top).rglob("__init__.py"):
                found.add(".".join(init.parent.relative_to(source).parts))
    return found


def test_every_package_on_disk_is_listed_for_installation(setup: configparser.ConfigParser) -> None:
    listed = setup_list(setup["options"]["packages"])
    assert len(listed) == len(set(listed))
    assert set(listed) - WITHOUT_INIT == packages_on_disk()
    assert set(listed) >= WITHOUT_INIT


def test_every_listed_package_lies_where_setup_says(setup: configparser.ConfigParser) -> None:
    folders = dict(line.split(" = ") for line in setup["options"]["package_dir"].strip().splitlines())
    for package in setup_list(setup["options"]["packages"]):
        top = package.split(".")[0]
        default = folders[top] + package[len(top) :].replace(".", "/") if top in folders else package.replace(".", "/")
        folder = ROOT / folders.get(package, default)
        assert folder.is_dir(), package
        assert list(folder.glob("*.py")), package


def test_every_folder_with_modules_of_the_runtime_is_a_package() -> None:
    folders = {path.parent for path in RUNTIME.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("folder", ["packaging", "train", "tests"])
def test_folders_that_must_not_be_packages(folder: str) -> None:
    """An ``__init__.py`` there hides distributions of the same name, the real ``packaging`` first of all."""
    inits = (ROOT / folder).rglob("__init__.py") if folder == "tests" else (ROOT / folder).glob("__init__.py")
    assert list(inits) == []


def test_the_command_is_the_table_of_verbs(setup: configparser.ConfigParser) -> None:
    assert setup["options.entry_points"]["console_scripts"].split() == [
        "model-service",
        "=",
        "model_service.cli:main",
    ]


def imports(path: Path) -> Iterator[str]:
    """Every name a module imports anywhere, as ``a.b.c``."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: the runtime imports itself by full names"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(name: str, tops: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def importers(tops: tuple[str, ...], except_for: tuple[str, ...] = ()) -> set[str]:
    """The modules of the runtime that import something below ``tops``, as paths."""
    return {
        path.relative_to(RUNTIME).as_posix()
        for path in RUNTIME.rglob("*.py")
        for name in imports(path)
        if is_below(name, tops) and not is_below(name, except_for)
    }


def outside(modules: set[str], *rooms: str) -> set[str]:
    return {module for module in modules if not module.startswith(rooms)}


def test_only_the_model_server_knows_tensorflow() -> None:
    # tfs/protos.py loads TensorFlow's message modules without TensorFlow.
    assert outside(importers(("tensorflow", "keras")), "model_server/") <= {"tfs/protos.py"}


def test_protos_imports_messages_of_tensorflow_only() -> None:
    names = [name for name in imports(RUNTIME / "tfs/protos.py") if is_below(name, ("tensorflow",))]
    assert all(name.startswith("tensorflow.core.") and "_pb2" in name for name in names)


def test_only_tfs_and_the_model_server_know_protobuf() -> None:
    """The others know gRPC's errors and channels at most, and no message."""
    assert outside(importers(("google.protobuf", "tensorflow_serving")), "tfs/", "model_server/") == set()
    assert outside(importers(("grpc", "grpc_health")), "tfs/", "model_server/") <= {
        "backend/probe.py",
        "batch/failures.py",
        "inference/faults.py",
        "web/worker.py",
    }


def test_the_parent_process_loads_neither_grpc_nor_flask_nor_tensorflow() -> None:
    """It forks workers; gRPC must not be there yet, and the others cost memory and time for nothing."""
    code = "import sys, model_service.web.serve; print(*{'grpc', 'flask', 'tensorflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_only_web_and_client_know_http() -> None:
    assert outside(importers(HTTP, HTTP_STATUSES), "web/", "client/", "model_server/rest") == set()


def test_only_evaluation_knows_scikit_learn_and_matplotlib() -> None:
    assert outside(importers(("sklearn", "matplotlib")), "evaluation/") == set()


ROOMS_BELOW = {
    "package": {"package"},
    "author": {"author", "package", "tfs"},
    "inference": {"inference", "package", "author", "tfs", "backend"},
    "tfs": {"tfs"},
    "backend": {"backend", "tfs"},
    "auth": {"auth"},
    "batch": {"batch", "inference", "package", "tfs", "backend"},
    "host": {"host"},
    "evaluation": {"evaluation", "package"},
    "model_server": {"model_server", "host", "tfs"},
}
KNOWN_BY_ALL = {"errors", "idx", "telemetry", "settings", "log", "__init__", "__version__", "storage"}


@pytest.mark.parametrize("room", sorted(ROOMS_BELOW))
def test_rooms_stand_in_a_row_and_nothing_points_back(room: str) -> None:
    for path in (RUNTIME / room).rglob("*.py"):
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "model_service" and len(parts) > 1:
                assert parts[1] in ROOMS_BELOW[room] | KNOWN_BY_ALL, f"{path}: {name}"


@pytest.mark.parametrize("module", ["errors.py", "idx.py", "telemetry.py"])
def test_what_is_known_by_all_knows_nobody(module: str) -> None:
    ours = {name for name in imports(RUNTIME / module) if is_below(name, ("model_service",))}
    assert {name for name in ours if not is_below(name, ("model_service.errors",))} == set()
