"""What names in a Python file stand for, as far as reading can tell for certain.

Every place in the file is visited once. A name that is bound in more than one way stands for nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from model_service.author.legacy_calls import MAKES

_MAX_DEPTH = 16
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_TRIES = tuple(getattr(ast, name) for name in ("Try", "TryStar") if hasattr(ast, name))


@dataclass(eq=False)
class Scope:
    """The names that a module, class or function binds.

    A binding is a dotted name, an expression to look up, or None: something else.
    """

    node: ast.AST
    bindings: dict[str, list[str | ast.expr | None]] = field(default_factory=dict)

    def bind(self, name: str, value: str | ast.expr | None) -> None:
        """Note one more binding of a name."""
        self.bindings.setdefault(name, []).append(value)


@dataclass(frozen=True)
class Spot:
    """One node of a file, and where it stands.

    Attributes:
        scopes: the scopes around it, the innermost last.
        functions: the functions around it, the innermost last.
        is_guarded: it stands under ``try``, in a ``with`` that may swallow errors, behind a test of a version or of
            ``hasattr``, or in what runs only as a script: if it fails, that may be meant.
    """

    node: ast.AST
    scopes: tuple[Scope, ...]
    functions: tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]
    is_guarded: bool


def visit(tree: ast.Module) -> tuple[Spot, ...]:
    """Visit every node of a file, each with the scopes it stands in."""
    return tuple(_visit(tree, Spot(tree, (Scope(tree),), (), False)))


def _visit(node: ast.AST, around: Spot) -> Iterator[Spot]:
    spot = Spot(node, around.scopes, around.functions, around.is_guarded)
    yield spot
    _bind(node, spot.scopes)
    inner = spot
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        outer = tuple(scope for scope in spot.scopes if not isinstance(scope.node, ast.ClassDef))
        scope = Scope(node)
        functions = spot.functions
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions = (*functions, node)
        if isinstance(node, _FUNCTIONS):
            _bind_parameters(node.args, scope)
        inner = Spot(node, (*outer, scope), functions, spot.is_guarded)
    guards = isinstance(node, (*_TRIES, ast.With)) or (isinstance(node, ast.If | ast.IfExp) and _is_guard(node.test))
    if isinstance(node, ast.With):
        guards = any("suppress" in ast.dump(item.context_expr) for item in node.items)
    for child in ast.iter_child_nodes(node):
        yield from _visit(child, Spot(child, inner.scopes, inner.functions, spot.is_guarded or guards))


def _is_guard(test: ast.expr) -> bool:
    """Whether a condition asks what there is: for a version, an attribute, or how the file is run."""
    for node in ast.walk(test):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if "version" in name.lower() or name in ("hasattr", "getattr", "TYPE_CHECKING", "__name__", "PY2", "PY3"):
            return True
    return False


def _bind_parameters(arguments: ast.arguments, scope: Scope) -> None:
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if each is not None:
            scope.bind(each.arg, None)


def _bind(node: ast.AST, scopes: tuple[Scope, ...]) -> None:
    scope = scopes[-1]
    if isinstance(node, ast.Import):
        for alias in node.names:
            scope.bind(alias.asname or alias.name.partition(".")[0], alias.name if alias.asname else _top(alias.name))
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            scope.bind(alias.asname or alias.name, f"{module}.{alias.name}" if node.module else module + alias.name)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                scope.bind(target.id, node.value)
            else:
                _bind_all(target, scope)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope.bind(node.name, None)
    elif isinstance(node, ast.Global | ast.Nonlocal):
        for name in node.names:
            scopes[0].bind(name, None)
            scope.bind(name, None)
    elif isinstance(node, ast.ExceptHandler) and node.name:
        scope.bind(node.name, None)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension | ast.AugAssign | ast.NamedExpr):
        _bind_all(node.target, scope)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        _bind_all(node.optional_vars, scope)
    elif isinstance(node, ast.Delete):
        for target in node.targets:
            _bind_all(target, scope)
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name:
        scope.bind(node.name, None)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _bind_all(target: ast.expr, scope: Scope) -> None:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            scope.bind(node.id, None)


def dotted(node: ast.expr, scopes: tuple[Scope, ...], depth: int = 0) -> str:
    """Return what an expression stands for, as a dotted name that begins with a module; "": that is not certain.

    The object that a call makes is named by its class: ``Image.open(...).tostring`` is ``PIL.Image.Image.tostring``.
    """
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(node, ast.Name):
        return _look_up(node.id, scopes, depth)
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, scopes, depth + 1)
        return f"{base}.{node.attr}" if base else ""
    if isinstance(node, ast.Call):
        return MAKES.get(dotted(node.func, scopes, depth + 1), "")
    return ""


def _look_up(name: str, scopes: tuple[Scope, ...], depth: int) -> str:
    for index in range(len(scopes) - 1, -1, -1):
        bindings = scopes[index].bindings.get(name)
        if bindings is not None:
            around = scopes[: index + 1]
            found = {
                each if isinstance(each, str) else dotted(each, around, depth + 1) if each is not None else ""
                for each in bindings
            }
            return found.pop() if len(found) == 1 else ""
    return ""


def is_bound(name: str, scopes: tuple[Scope, ...]) -> bool:
    """Whether the file itself gives a name a meaning, so that it is no built-in one."""
    return any(name in scope.bindings for scope in scopes)
