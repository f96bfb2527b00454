"""What is installed, and which room may know what: read from the files, nothing of them is run."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "model_service"
# Installed under train/, a folder of single files that must not become a package itself.
WITHOUT_INIT = {"model_training.scripts"}

PROTOBUF = ("google.protobuf", "tensorflow_serving", "grpc", "grpc_health")
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


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every name a module imports, as ``a.b.c``, and whether that happens while it is loaded."""
    tree = ast.parse(path.read_bytes())
    yield from _imports(tree, True)


def _imports(node: ast.AST, is_loading: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from ((alias.name, is_loading) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "the runtime imports itself by full names"
            yield from ((f"{child.module}.{alias.name}", is_loading) for alias in child.names)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports(child, False)
        else:
            yield from _imports(child, is_loading)


def is_below(name: str, tops: tuple[str, ...]) -> bool:
    return any(name == top or name.startswith(f"{top}.") for top in tops)


def importers(tops: tuple[str, ...], except_for: tuple[str, ...] = ()) -> set[str]:
    """The modules of the runtime that import something below ``tops``, as paths."""
    return {
        path.relative_to(RUNTIME).as_posix()
        for path in RUNTIME.rglob("*.py")
        for name, _ in imports(path)
        if is_below(name, tops) and not is_below(name, except_for)
    }


def outside(modules: set[str], *rooms: str) -> set[str]:
    return {module for module in modules if not module.startswith(rooms)}


def test_only_the_model_server_knows_tensorflow() -> None:
    # tfs/protos.py loads TensorFlow's message modules without TensorFlow.
    assert outside(importers(("tensorflow", "keras")), "model_server/") <= {"tfs/protos.py"}


def test_protos_imports_messages_of_tensorflow_only() -> None:
    names = [name for name, _ in imports(RUNTIME / "tfs/protos.py") if is_below(name, ("tensorflow",))]
    assert all(name.startswith("tensorflow.core.") and "_pb2" in name for name in names)


def test_only_tfs_and_the_model_server_know_protobuf() -> None:
    """The others know gRPC's errors and channels at most, and no message."""
    assert outside(importers(("google.protobuf", "tensorflow_serving")), "tfs/", "model_server/") == set()
    assert outside(importers(("grpc", "grpc_health")), "tfs/", "model_server/") <= {
        "backend/probe.py",
        "inference/faults.py",
        "web/worker.py",
    }


def test_grpc_is_not_loaded_by_the_parent_process() -> None:
    """It forks workers; gRPC must not be there yet. The probe is a process of its own."""
    for room in ("backend", "inference", "web", "author", "package", "client"):
        for path in (RUNTIME / room).glob("*.py"):
            loaded = [name for name, is_loading in imports(path) if is_loading and is_below(name, PROTOBUF)]
            assert loaded == [] or path.name == "probe.py", path


def test_only_web_and_client_know_http() -> None:
    assert outside(importers(HTTP, HTTP_STATUSES), "web/", "client/", "model_server/rest") == set()


ROOMS_BELOW = {
    "package": {"package"},
    "author": {"author", "package", "tfs"},
    "inference": {"inference", "package", "author", "tfs"},
    "tfs": {"tfs"},
    "backend": {"backend", "tfs"},
    "auth": {"auth"},
    "model_server": {"model_server", "tfs"},
}
KNOWN_BY_ALL = {"errors", "telemetry", "settings", "log", "__init__", "__version__", "storage"}


@pytest.mark.parametrize("room", sorted(ROOMS_BELOW))
def test_rooms_stand_in_a_row_and_nothing_points_back(room: str) -> None:
    for path in (RUNTIME / room).rglob("*.py"):
        for name, _ in imports(path):
            parts = name.split(".")
            if parts[0] == "model_service" and len(parts) > 1:
                assert parts[1] in ROOMS_BELOW[room] | KNOWN_BY_ALL, f"{path}: {name}"


@pytest.mark.parametrize("module", ["errors.py", "telemetry.py"])
def test_what_is_known_by_all_knows_nobody(module: str) -> None:
    ours = {name for name, _ in imports(RUNTIME / module) if is_below(name, ("model_service",))}
    assert {name for name in ours if not is_below(name, ("model_service.errors",))} == set()
