"""The methods that the runtime calls: their names, arguments and results."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.near import nearest
from model_packaging.check.reading.service_class import ServiceClass
from model_packaging.check.reading.sources import HOOKS, Source, Sources


def check_hooks(service: ServiceClass, sources: Sources) -> Iterator[Finding]:
    """Yield what is wrong with the methods that the runtime calls."""
    for name in (*HOOKS, "inference"):
        found = service.method(name)
        if found is None:
            continue
        source, method = found
        if isinstance(method, ast.AsyncFunctionDef):
            message = f"{name} is a coroutine; the runtime calls it and gets no result"
            yield finding("hook-is-async", source.place(method), message)
        elif not method.decorator_list:
            if not _accepts(method.args, 2):
                message = f"{name} takes {_described(method.args)}; the runtime calls {name}(data)"
                yield finding("hook-arguments", source.place(method), message)
            yield from _check_returns(service, source, method)
    constructor = service.method("__init__")
    if constructor is not None and not constructor[1].decorator_list and not _accepts(constructor[1].args, 3):
        source, method = constructor
        message = f"__init__ takes {_described(method.args)}; the runtime calls {service.node.name}(name, path)"
        yield finding("constructor-arguments", source.place(method), message)
    yield from _check_names(service, sources)


def _accepts(arguments: ast.arguments, count: int) -> bool:
    """Whether a function may be called with so many positional arguments, ``self`` counted."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    has_required_keyword = any(default is None for default in arguments.kw_defaults)
    return required <= count <= (count if arguments.vararg else positional) and not has_required_keyword


def _described(arguments: ast.arguments) -> str:
    return f"({ast.unparse(arguments)})"


def _check_returns(service: ServiceClass, source: Source, method: ast.FunctionDef) -> Iterator[Finding]:
    if method.name == "_inference" or (method.name == "_preprocess" and not service.calls_the_model):
        return
    own = list(_own_nodes(method))
    if any(isinstance(node, ast.Return) and node.value is not None for node in own):
        return
    if any(isinstance(node, ast.Yield | ast.YieldFrom | ast.Raise) for node in own):
        return
    code = "preprocess-returns-nothing" if method.name == "_preprocess" else "answer-is-null"
    yield finding(code, source.place(method), f"{method.name} has no return statement, so it returns None")


def _own_nodes(method: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions inside it."""
    for node in ast.iter_child_nodes(method):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _own_nodes(node)


def _check_names(service: ServiceClass, sources: Sources) -> Iterator[Finding]:
    """Methods that nobody calls and whose names are nearly those of hooks that are absent."""
    plain = {hook.replace("_", ""): hook for hook in HOOKS if hook != "_inference"}
    for item in service.node.body:
        if not isinstance(item, ast.FunctionDef) or item.name in sources.used_names or item.decorator_list:
            continue
        hook = plain.get(nearest(item.name.replace("_", "").lower(), plain), "")
        if hook and item.name != hook and not service.defines(hook) and len(item.args.args) == 2:
            message = f"{item.name} is never called (did you mean {hook}?)"
            yield finding("hook-name", service.source.place(item), message)


def check_thread_safety(service: ServiceClass) -> Iterator[Finding]:
    """Yield where a class that says ``thread_safe = True`` stores a request's state on itself."""
    if not _says_thread_safe(service.node):
        return
    for name in (*HOOKS, "inference"):
        found = service.method(name)
        if found is None:
            continue
        source, method = found
        owner = method.args.args[0].arg if method.args.args else ""
        for spot in source.spots:
            if method not in spot.functions or not isinstance(spot.node, ast.Attribute):
                continue
            is_own = isinstance(spot.node.value, ast.Name) and spot.node.value.id == owner
            if is_own and isinstance(spot.node.ctx, ast.Store) and not _is_locked(method, spot.node):
                message = f"{name} assigns {owner}.{spot.node.attr}, though the class says thread_safe = True"
                yield finding("thread-safe-state", source.place(spot.node), message)
                return


def _says_thread_safe(node: ast.ClassDef) -> bool:
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant) and item.value.value is True:
            names = {target.id for target in item.targets if isinstance(target, ast.Name)}
            if "thread_safe" in names:
                return True
    return False


def _is_locked(method: ast.AST, node: ast.AST) -> bool:
    """Whether a node stands in a ``with``, which may hold a lock."""
    blocks = (each for each in ast.walk(method) if isinstance(each, ast.With))
    return any(node is inner for block in blocks for inner in ast.walk(block))
