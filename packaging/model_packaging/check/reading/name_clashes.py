"""Files of the package that are called like modules that others need."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.reading.imports import PROVIDED, RUNTIME
from model_packaging.check.subject import Subject
from model_service.package.layout import SERVICE_NAME

# Modules of the standard library that neither the runtime nor any library imports: their names are free.
_FREE = frozenset(
    {
        "antigravity",
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "sre_compile",
        "sre_constants",
        "sre_parse",
        "test",
        "this",
        "tkinter",
        "turtle",
        "turtledemo",
        "venv",
    }
)
# Loaded by a worker process before the service is: the file of the package is never seen.
_LOADED_BEFORE = frozenset({"PIL", "google", "grpc", "numpy", RUNTIME})


def check_name_clashes(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each file or folder with modules that hides, or is hidden by, a module that is needed."""
    folder = subject.layout.model_directory
    taken = (PROVIDED | sys.stdlib_module_names | {"customize_service"}) - _FREE
    for path in sorted(folder.iterdir()):
        is_folder = path.is_dir() and (path / "__init__.py").is_file()
        name = path.name if is_folder else path.stem
        if name not in taken or not (is_folder or path.suffix == ".py") or path.name == SERVICE_NAME:
            continue
        if is_folder and name not in _LOADED_BEFORE:
            continue  # a library that the package brings along
        whose = "the standard library" if name in sys.stdlib_module_names else "this software or a library it needs"
        yield finding("module-name-taken", Place(subject.relative(path)), f"has the name of a module of {whose}")
