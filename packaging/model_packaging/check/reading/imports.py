"""What the service imports: whether it is there, and whether config.json declares it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions

from packaging.utils import canonicalize_name

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.dependencies import Declared, with_requirements
from model_packaging.check.reading.installed import is_installed
from model_packaging.check.reading.legacy import is_legacy_module
from model_packaging.check.reading.names import Spot
from model_packaging.check.reading.near import did_you_mean
from model_packaging.check.reading.sources import Source, Sources
from model_service.package.dependencies import pip_install
from model_service.package.import_names import distribution_of

RUNTIME = "model_service"
OWN_DISTRIBUTION = "tf-model-service"
# What the runtime lends under names of its own; a module of the package wins.
_LENT = frozenset({"log", "metric", "model_def"})
# Top-level modules that come with this software or with TensorFlow: nobody declares them.
PROVIDED = frozenset(
    {
        "PIL",
        "absl",
        "fastjsonschema",
        "flask",
        "fsspec",
        "google",
        "grpc",
        "grpc_health",
        "h5py",
        "jinja2",
        "jsonschema",
        "keras",
        "markupsafe",
        "ml_dtypes",
        "model_service",
        "multipart",
        "numpy",
        "opt_einsum",
        "orjson",
        "packaging",
        "pkg_resources",
        "requests",
        "setuptools",
        "six",
        "tensorboard",
        "tensorflow",
        "tensorflow_serving",
        "termcolor",
        "tqdm",
        "typing_extensions",
        "urllib3",
        "werkzeug",
        "wrapt",
    }
)
_ENGINES = {"mms": "MXNet"}
_IN_A_FUNCTION = "Every request that comes to this line is answered 500 (ModuleNotFoundError)."


def check_imports(sources: Sources, declared: Declared) -> Iterator[Finding]:
    """Yield a finding for each import that fails here, or that would fail where only the declared things are."""
    for source in sources:
        seen: set[str] = set()
        for spot in sources.certain(source):
            for name in _absolute_modules(spot.node):
                top = name.partition(".")[0]
                if top == RUNTIME:
                    yield from _check_runtime_import(source, spot, name)
                elif top not in seen and not _lies_beside(sources, source, top):
                    seen.add(top)
                    yield from _check_foreign(source, spot, top, declared)
            if isinstance(spot.node, ast.ImportFrom) and spot.node.level:
                yield from _check_relative(sources, source, spot, spot.node)


def imported_tops(sources: Sources) -> set[str]:
    """The first parts of all modules that the files import by absolute names."""
    return {name.partition(".")[0] for spot in sources.spots() for name in _absolute_modules(spot.node)}


def _absolute_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and not node.level and node.module else []


def _lies_beside(sources: Sources, source: Source, top: str) -> bool:
    return sources.module_path(top, source.path) is not None or (sources.folder / top).is_dir()


def _check_foreign(source: Source, spot: Spot, top: str, declared: Declared) -> Iterator[Finding]:
    if top in sys.stdlib_module_names or top in _LENT or is_legacy_module(top):
        return
    place = source.place(spot.node)
    if top in _ENGINES:
        yield finding("engine-not-provided", place, f"{top} is the runtime of {_ENGINES[top]}, which is not run here")
        return
    distribution = distribution_of(top, [each.name for each in declared.packages.values()])
    package = declared.packages.get(canonicalize_name(distribution))
    if not is_installed(top):
        if package is not None:
            message = f"{top} is imported, and declared as {package.name}, but is not installed here"
            yield finding(
                "dependency-not-installed",
                place,
                message,
                consequence=_consequence(spot),
                remedy=f"Run: {pip_install(package.requirement)}",
            )
        elif not declared.has_wheels:
            message = f"{top} is imported, but neither installed, nor in the package, nor declared{_hint(source, top)}"
            remedy = f'Declare {distribution} in "dependencies" of config.json, and run: {pip_install(distribution)}'
            yield finding("missing-import", place, message, consequence=_consequence(spot), remedy=remedy)
    elif package is None and top not in PROVIDED and not declared.has_wheels and not _comes_with(top, declared):
        message = f"{top} is imported and installed here, but config.json does not declare {distribution}"
        yield finding("undeclared-import", place, message)


def _consequence(spot: Spot) -> str:
    """What an import that fails means, if not that the service does not start, which is what the rules say."""
    return _IN_A_FUNCTION if spot.functions and spot.functions[-1].name != "__init__" else ""


def _comes_with(top: str, declared: Declared) -> bool:
    """Whether an installed module belongs to something declared, or to what that needs or this software needs."""
    owners = {canonicalize_name(name) for name in _distributions().get(top, ())}
    return bool(owners & with_requirements([*declared.packages, OWN_DISTRIBUTION]))


@cache
def _distributions() -> Mapping[str, list[str]]:
    """Which installed distributions have a top-level module; reading them all takes a while."""
    return packages_distributions()


def _hint(source: Source, top: str) -> str:
    beside = [path.stem for path in source.path.parent.glob("*.py")]
    return did_you_mean(top, beside)


def _check_runtime_import(source: Source, spot: Spot, name: str) -> Iterator[Finding]:
    """Names of the runtime: its engine modules, and what lies in them."""
    place = source.place(spot.node)
    parts = name.split(".")
    folder = importlib.util.find_spec(RUNTIME)
    if folder is None or not folder.submodule_search_locations:
        return
    try:
        spec = importlib.util.find_spec(".".join(parts[:2]))
    except (ImportError, ValueError):
        return
    if spec is None:
        yield finding("engine-not-provided", place, f"there is no {name} here")
        return
    if isinstance(spot.node, ast.ImportFrom) and len(parts) == 2 and spec.origin:
        with open(spec.origin, "rb") as file:
            there = _top_names(ast.parse(file.read()))
        for alias in spot.node.names:
            if alias.name != "*" and alias.name not in there:
                message = f"{name} has no {alias.name}{did_you_mean(alias.name, there)}"
                yield finding("unknown-base-class", place, message)


def _top_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _check_relative(sources: Sources, source: Source, spot: Spot, node: ast.ImportFrom) -> Iterator[Finding]:
    """``from .helper import x``: the file must be there."""
    if node.module is None or node.level != 1:
        return
    name = f".{node.module}"
    if sources.module_path(name, source.path) is None and not _is_folder(source, node.module):
        message = f"there is no {node.module.replace('.', '/')}.py beside {source.name}{_hint(source, node.module)}"
        remedy = "Put the file into the package."
        yield finding("missing-import", source.place(node), message, consequence=_consequence(spot), remedy=remedy)


def _is_folder(source: Source, module: str) -> bool:
    return source.path.parent.joinpath(*module.split(".")).is_dir()
