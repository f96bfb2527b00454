"""Loading customize_service.py and choosing the one class that serves."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import GenericAlias, ModuleType

from model_service.author.base import ModelService
from model_service.errors import PackageError
from model_service.package.dependencies import Dependency, line_for_module


def load_service(path: str, name: str | None = None, dependencies: Sequence[Dependency] = ()) -> ModuleType:
    """Run a Python file as a module and return it.

    Args:
        path: the file.
        name: the module's name; default: the file's name without ending.
        dependencies: what config.json declares; a module that is missing is looked up in them.

    Raises:
        PackageError: there is no such file, or it raises while it is loaded; the message has the author's file, line
            and error.
    """
    file = Path(path).absolute()
    module_name = name or file.stem
    # Explicit relative imports of siblings are what the documents advise; search locations make them work.
    spec = importlib.util.spec_from_file_location(module_name, file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None or not file.is_file():
        raise PackageError(f"{file}: there is no Python file to load")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(module_name)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        hint = _hint(error, dependencies, file.parent)
        sys.modules.pop(module_name, None)
        if before is not None:
            sys.modules[module_name] = before
        traceback.print_exc()
        raise PackageError(
            f"{_author_place(error, file)}: loading fails: {type(error).__name__}: {error}{hint}"
        ) from error
    return module


def classes_in(module: ModuleType) -> dict[str, type]:
    """The classes of a module by name; ``list[int]`` and its like, which pass for classes on Python 3.10, are none."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and not isinstance(value, GenericAlias)
    }


def choose_service_class(module: ModuleType, base: type[ModelService]) -> type[ModelService]:
    """Return the only class in the module below ``base`` that nothing else is derived from.

    Raises:
        PackageError: there is none, or more than one.
    """
    leaves = {
        value: name
        for name, value in classes_in(module).items()
        if issubclass(value, base) and value is not base and not value.__subclasses__()
    }
    if len(leaves) == 1:
        return next(iter(leaves))
    file = module.__file__
    if not leaves:
        raise PackageError(
            f"{file}: no class is derived from {base.__name__}. Define exactly one: class MyService({base.__name__})"
        )
    listed = ", ".join(leaves.values())
    raise PackageError(f"{file}: exactly one service class is needed, found {len(leaves)}: {listed}")


def _author_place(error: BaseException, file: Path) -> str:
    """The last line of the package's own folder that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    place = str(file)
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).parent == file.parent:
            place = f"{frame.filename}:{frame.lineno}"
    return place


def _hint(error: BaseException, dependencies: Sequence[Dependency], folder: Path) -> str:
    """The command that installs a missing module; "" where that would not help: what it is a part of is there."""
    if not isinstance(error, ModuleNotFoundError) or not error.name or error.name.partition(".")[0] in sys.modules:
        return ""
    return f" (install it: {line_for_module(error.name, dependencies, folder)})"
