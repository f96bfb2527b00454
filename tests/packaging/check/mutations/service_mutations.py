"""Mutations of customize_service.py: its text, and single nodes of its syntax tree."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import TypeVar

from .mutation import SERVICE, Mutation

_WRONG_RESULTS = ("None", "b'bytes'", "object()", "float('nan')", "[]", "'text'", "{}", "{1, 2}")
_MISSPELT = ("open", "array", "asarray", "stack", "items", "values", "index", "append", "decode", "split", "reshape")
Change = tuple[str, str, str]  # kind, name, the changed source
_Node = TypeVar("_Node")


def service_mutations(source: str) -> Iterator[Mutation]:
    """Yield mutations of a service, given its source."""
    for kind, name, text in (*_text_changes(source), *_tree_changes(ast.parse(source))):
        yield Mutation(kind, f"{SERVICE}: {name}", {SERVICE: text.encode()})


def _text_changes(source: str) -> Iterator[Change]:
    changes = {
        "a colon dropped": source.replace("):\n", ")\n", 1),
        "unbalanced": source + "\n(",
        "the base class is another": source.replace("(TfServingBaseService)", "(object)"),
        "the base class is misspelled": source.replace("(TfServingBaseService)", "(TfServingBaseServise)"),
        "the base class's module is misspelled": source.replace("tfserving_model_service", "tfserving_service"),
        "an import is misspelled": source.replace("import numpy as np", "import nunpy as np"),
        "an import is left out": source.replace("import numpy as np\n", ""),
        "a second service": source + "\n\nclass Second(TfServingBaseService):\n    pass\n",
        "it prints as Python 2 does": source + '\n\nprint "ready"\n',
        "it ends when loaded": source + "\n\nraise SystemExit(1)\n",
        "it fails when loaded": source + "\n\nopen('weights.npz')\n",
        "it is empty": "",
    }
    for name, text in changes.items():
        yield "text of the service", name, text


def _tree_changes(tree: ast.Module) -> Iterator[Change]:
    for method in _methods(tree):
        if method.name in ("_preprocess", "_postprocess", "_inference"):
            yield from _hook_changes(tree, method)
        for number, node in enumerate(ast.walk(method)):
            yield from _node_changes(tree, node, f"{method.name} node {number} (line {getattr(node, 'lineno', 0)})")


def _methods(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of the file, methods first."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    inner = [item for each in classes for item in each.body if isinstance(item, ast.FunctionDef)]
    return [*inner, *(item for item in tree.body if isinstance(item, ast.FunctionDef))]


def _hook_changes(tree: ast.Module, method: ast.FunctionDef) -> Iterator[Change]:
    yield "hook", f"{method.name} renamed", _with(tree, method, "name", f"{method.name}ed")
    no_arguments = copy.deepcopy(method.args)
    del no_arguments.args[1:]
    yield "hook", f"{method.name} takes no argument", _with(tree, method, "args", no_arguments)
    body = [each for each in method.body if not isinstance(each, ast.Return)]
    yield "hook", f"{method.name} returns nothing", _with(tree, method, "body", body or [ast.Pass()])


def _node_changes(tree: ast.Module, node: ast.AST, place: str) -> Iterator[Change]:
    if isinstance(node, ast.Return):
        for wrong in _WRONG_RESULTS:
            yield "result", f"{place} returns {wrong}", _with(tree, node, "value", ast.parse(wrong, mode="eval").body)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:  # no docstring
        yield "text renamed", f"{place}: {node.value!r} renamed", _with(tree, node, "value", f"{node.value}_2")
    if isinstance(node, ast.Attribute) and node.attr == "float32":
        for dtype in ("float64", "int64", "complex64", "str_"):
            yield "dtype", f"{place}: {dtype} instead of float32", _with(tree, node, "attr", dtype)
    if isinstance(node, ast.Attribute) and node.attr in _MISSPELT:
        yield "name misspelt", f"{place}: {node.attr} misspelt", _with(tree, node, "attr", f"{node.attr}_2")
    if isinstance(node, ast.Dict):
        for index, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            label = ast.unparse(key) if key is not None else "**"
            fewer = ast.Dict([*node.keys[:index], *node.keys[index + 1 :]], _but(node.values, index))
            yield "entry dropped", f"{place}: {label} dropped", _with(tree, node, None, fewer)
            if key is not None:
                for name in ("str", "set", "repr"):
                    call = ast.Call(ast.Name(name, ast.Load()), [value], [])
                    values = [*node.values[:index], call, *node.values[index + 1 :]]
                    yield "value of another type", f"{place}: {label} as {name}", _with(tree, node, "values", values)
    if isinstance(node, ast.FunctionDef | ast.For | ast.If):
        for index, statement in enumerate(node.body):
            if not isinstance(statement, ast.Expr | ast.Return | ast.Raise):
                rest = _but(node.body, index) or [ast.Pass()]
                yield "line removed", f"{place}: line {statement.lineno} removed", _with(tree, node, "body", rest)


def _but(values: Sequence[_Node], index: int) -> list[_Node]:
    return [each for number, each in enumerate(values) if number != index]


def _with(tree: ast.Module, node: ast.AST, name: str | None, value: object) -> str:
    """The source with one field of one node changed; if no field is named, with the fields of another node."""
    new = {field: getattr(value, field) for field in node._fields} if name is None else {name: value}
    before = {field: getattr(node, field) for field in new}
    vars(node).update(new)
    try:
        return ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
    finally:
        vars(node).update(before)
