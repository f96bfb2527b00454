"""The one class that serves, found by reading."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.reading.installed import is_installed
from model_packaging.check.reading.names import dotted
from model_packaging.check.reading.sources import Source, Sources

# What the runtime calls a base class; each is below the one that follows.
_TENSORFLOW_BASES = ("TfServingBaseService", "TfServingVisionService")
_PLAIN_BASES = ("SingleNodeService", "ModelService")
_MAX_DEPTH = 16

Method = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, eq=False)
class ServiceClass:
    """The class that serves.

    Attributes:
        source: the file of the class.
        node: its definition.
        lineage: it and its bases within the package, the class itself first.
        is_tensorflow: whether it is below TfServingBaseService, whose ``_inference`` calls the model.
    """

    source: Source
    node: ast.ClassDef
    lineage: tuple[tuple[Source, ast.ClassDef], ...]
    is_tensorflow: bool

    def method(self, name: str) -> tuple[Source, Method] | None:
        """The method of that name, in the class or a base of it within the package."""
        for source, node in self.lineage:
            for item in node.body:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name == name:
                    return source, item
        return None

    def defines(self, name: str) -> bool:
        """Whether a body in the lineage gives the name any meaning."""
        for _, node in self.lineage:
            for item in node.body:
                targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
                if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                    return True
        return self.method(name) is not None

    @property
    def calls_the_model(self) -> bool:
        """Whether what ``_preprocess`` returns goes to the model, and its outputs to ``_postprocess``, untouched."""
        return self.is_tensorflow and not any(self.defines(name) for name in ("_inference", "inference"))


class _Unclear(Exception):
    """Reading cannot tell."""


def find_service_class(sources: Sources) -> tuple[ServiceClass | None, list[Finding]]:
    """Find the class that serves.

    Returns:
        It, or None if there is none or reading cannot tell; and what is wrong for certain.
    """
    source = sources.service
    if source is None:
        return None, []
    try:
        visible = _visible_classes(sources, source)
        known = {id(node): (_lineage(sources, each, node), each, node) for each, node in visible}
    except (_Unclear, RecursionError):
        return None, []
    services = [entry for entry in known.values() if entry[0].base]
    if _imports_tensorflow_base(source):
        services = [entry for entry in services if entry[0].base in _TENSORFLOW_BASES]
    derived_from = {id(node) for lineage, _, _ in services for _, node in lineage.steps[1:]}
    leaves = [entry for entry in services if id(entry[2]) not in derived_from]
    if len(leaves) > 1:
        listed = ", ".join(f"{node.name} ({each.name}:{node.lineno})" for _, each, node in leaves)
        message = f"{len(leaves)} classes could serve: {listed}"
        return None, [finding("two-services", source.place(leaves[-1][2]), message)]
    if not leaves:
        if _imports_base_that_serves(source) or _may_make_classes(source):
            return None, []
        return None, [finding("no-service-class", Place(source.name), "no class is derived from a base class of ours")]
    lineage, each, node = leaves[0]
    return ServiceClass(each, node, lineage.steps, lineage.base in _TENSORFLOW_BASES), []


@dataclass(frozen=True)
class _Lineage:
    steps: tuple[tuple[Source, ast.ClassDef], ...]
    base: str  # the runtime's class at the top; "": none


def _visible_classes(sources: Sources, source: Source) -> list[tuple[Source, ast.ClassDef]]:
    """The classes that are names of the service's module: its own, and those it imports from beside it."""
    found: list[tuple[Source, ast.ClassDef]] = []
    for node in source.tree.body:
        if isinstance(node, ast.ClassDef):
            found.append((source, node))
        elif isinstance(node, ast.ImportFrom):
            if any(alias.name == "*" for alias in node.names):
                raise _Unclear
            for alias in node.names:
                definition = _definition(sources, source, f"{'.' * node.level}{node.module or ''}.{alias.name}")
                if definition is not None:
                    found.append(definition)
    inner = sum(1 for spot in source.spots if isinstance(spot.node, ast.ClassDef) and not spot.functions)
    if inner != sum(1 for node in source.tree.body if isinstance(node, ast.ClassDef)):
        raise _Unclear  # classes under if or try, or inside classes
    names = [node.name for _, node in found]
    if len(set(names)) != len(names):
        raise _Unclear
    return found


def _definition(sources: Sources, source: Source, name: str) -> tuple[Source, ast.ClassDef] | None:
    """The class in another file of the package that a dotted name stands for."""
    module, _, class_name = name.rpartition(".")
    path = sources.module_path(module, source.path) if module.strip(".") else None
    for other in sources:
        if other.path == path:
            for node in other.tree.body:
                if isinstance(node, ast.ClassDef) and node.name == class_name:
                    return other, node
            raise _Unclear
    return None


def _lineage(sources: Sources, source: Source, node: ast.ClassDef, depth: int = 0) -> _Lineage:
    """Follow the bases of a class up to one of the runtime's.

    Raises:
        _Unclear: a base is something that reading cannot follow.
    """
    if depth > _MAX_DEPTH or node.keywords:
        raise _Unclear
    scopes = next(spot.scopes for spot in source.spots if spot.node is node)
    steps: list[tuple[Source, ast.ClassDef]] = [(source, node)]
    found = ""
    for base in node.bases:
        name = dotted(base, scopes)
        if name.startswith("model_service."):
            last = name.rpartition(".")[2]
            if last not in (*_TENSORFLOW_BASES, *_PLAIN_BASES):
                raise _Unclear
            found = found or last
            continue
        definition = _named_here(source, base) or (_definition(sources, source, name) if name else None)
        if definition is not None:
            above = _lineage(sources, *definition, depth + 1)
            steps += above.steps
            found = found or above.base
        elif not isinstance(base, ast.Name) or not _is_foreign(name, base):
            raise _Unclear
    return _Lineage(tuple(steps), found)


def _named_here(source: Source, base: ast.expr) -> tuple[Source, ast.ClassDef] | None:
    if isinstance(base, ast.Name):
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == base.id:
                return source, node
    return None


def _is_foreign(name: str, base: ast.Name) -> bool:
    """Whether a base has nothing to do with the runtime: a built-in class, or one of a library."""
    top = name.partition(".")[0]
    if not name:
        return hasattr(builtins, base.id)
    return is_installed(top)


def _imports_tensorflow_base(source: Source) -> bool:
    names = {alias.name for node in source.tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return bool(names & set(_TENSORFLOW_BASES))


def _may_make_classes(source: Source) -> bool:
    """Whether the module calls something of the package, or ``type``, when it is loaded: it may get a class."""
    for spot in source.spots:
        if isinstance(spot.node, ast.Call) and not spot.functions:
            name = dotted(spot.node.func, spot.scopes)
            is_type = isinstance(spot.node.func, ast.Name) and spot.node.func.id == "type"
            if is_type or (name and not is_installed(name.partition(".")[0])) or _is_own(source, spot.node.func):
                return True
    return False


def _is_own(source: Source, function: ast.expr) -> bool:
    names = {node.name for node in source.tree.body if isinstance(node, ast.FunctionDef)}
    return isinstance(function, ast.Name) and function.id in names


def _imports_base_that_serves(source: Source) -> bool:
    """TfServingVisionService alone in a module is a leaf below TfServingBaseService: it serves."""
    names = {alias.name for node in source.tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    return "TfServingVisionService" in names
