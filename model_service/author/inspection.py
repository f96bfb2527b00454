"""What can be said of customize_service.py by reading it: nothing of it is executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from model_service.errors import PackageError

_LOCK_NAMES = frozenset({"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore"})


@dataclass(frozen=True)
class ServiceTraits:
    """What decides how a service is run.

    Attributes:
        single_instance_reasons: why only one instance may exist; empty: as many as threads.
        has_own_inference: a class there or in an imported sibling overrides ``_inference``: perhaps no Predict is made.
        lock_line: a line that makes a lock, which may be held while a Predict runs; 0: there is none.
    """

    single_instance_reasons: tuple[str, ...] = ()
    has_own_inference: bool = False
    lock_line: int = 0


def inspect_service(path: Path | None) -> ServiceTraits:
    """Read a customize_service.py; None stands for the default service.

    Raises:
        PackageError: it cannot be read or parsed; the message has file and line.
    """
    if path is None:
        return ServiceTraits()
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise PackageError(f"{path}: cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f"{path}:{line}" if line else str(path)
        raise PackageError(f"{place}: not valid Python: {getattr(error, 'msg', error)}") from error
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    reasons = _single_instance_reasons(tree, classes, path.name)
    siblings = [sibling for name in _imported_names(tree) if (sibling := path.parent / f"{name}.py").is_file()]
    has_own_inference = any("_inference" in _names(each) for each in classes) or any(map(_defines_inference, siblings))
    return ServiceTraits(tuple(reasons), has_own_inference, _lock_line(tree))


def _lock_line(tree: ast.Module) -> int:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    for call in calls:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in _LOCK_NAMES:
            return call.lineno
    return 0


def _imported_names(tree: ast.Module) -> set[str]:
    """The first parts of all modules that are imported, relative ones included."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported = [node.module] if node.module else [alias.name for alias in node.names]
            names |= {name.partition(".")[0] for name in imported}
    return names


def _defines_inference(sibling: Path) -> bool:
    """Whether a module beside the service has a class with an ``_inference`` that the service may inherit."""
    try:
        tree = ast.parse(sibling.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False  # importing it will say so
    return any("_inference" in _names(node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _single_instance_reasons(tree: ast.Module, classes: list[ast.ClassDef], file_name: str) -> list[str]:
    reasons = []
    class_names = {each.name for each in classes}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            reasons.append(f"{file_name}:{node.lineno}: uses global {', '.join(node.names)}")
    for each in classes:
        methods = _methods(each)
        reasons += [
            f"{file_name}:{methods[name].lineno}: {each.name} overrides {name}"
            for name in ("__init__", "inference")
            if name in methods
        ]
        for method in methods.values():
            reasons += [
                f"{file_name}:{line}: {each.name}.{method.name} assigns the class attribute {name}"
                for name, line in _class_assignments(method, class_names)
            ]
    return reasons


def _methods(node: ast.ClassDef) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {item.name: item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}


def _names(node: ast.ClassDef) -> set[str]:
    """What the body of a class defines or assigns."""
    assigned = (target for item in node.body if isinstance(item, ast.Assign) for target in item.targets)
    return {*_methods(node), *(target.id for target in assigned if isinstance(target, ast.Name))}


def _class_assignments(method: ast.AST, class_names: set[str]) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(method):
        if not isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in (leaf for each in targets for leaf in ast.walk(each)):
            if isinstance(target, ast.Attribute) and _is_class(target.value, class_names):
                found.append((target.attr, node.lineno))
    return found


def _is_class(node: ast.expr, class_names: set[str]) -> bool:
    """Whether an expression is a class: its name, ``cls``, ``self.__class__`` or ``type(self)``."""
    if isinstance(node, ast.Name):
        return node.id in class_names or node.id == "cls"
    if isinstance(node, ast.Attribute):
        return node.attr == "__class__"
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"
