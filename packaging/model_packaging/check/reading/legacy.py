"""Calls that today's TensorFlow, Keras, NumPy, pandas, Pillow and Python no longer have, with what to write instead."""

from __future__ import annotations

import ast
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from packaging.version import InvalidVersion, Version

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.names import Spot, dotted
from model_packaging.check.reading.sources import Source, Sources, imported_modules
from model_service.author.legacy_calls import LEGACY_CALLS, PYTHON, Kind, LegacyCall

_BY_NAME = {row.name: row for row in LEGACY_CALLS if row.kind is not Kind.CHANGED}
_CHANGED = {(row.name, row.keyword): row for row in LEGACY_CALLS if row.kind is Kind.CHANGED}
_DICT_METHODS = frozenset({"has_key", "iteritems", "itervalues", "iterkeys"})


def check_legacy_calls(sources: Sources) -> Iterator[Finding]:
    """Yield a finding for each name of the table that a file uses, at its first use."""
    put_back = _names_put_back(sources)
    for source in sources:
        seen: dict[LegacyCall, list[ast.AST]] = {}
        for spot in sources.certain(source):
            for row in _rows_at(spot, sources, source):
                if row.name not in put_back and _is_gone(row):
                    seen.setdefault(row, []).append(spot.node)
        for row, nodes in seen.items():
            yield _finding(row, source, sorted(nodes, key=lambda node: getattr(node, "lineno", 0)))


def _finding(row: LegacyCall, source: Source, nodes: list[ast.AST]) -> Finding:
    lines = sorted({getattr(node, "lineno", 0) for node in nodes})
    also = f" (also in line {', '.join(map(str, lines[1:6]))}{', ...' if len(lines) > 6 else ''})" if lines[1:] else ""
    what = f"{row.name} with {row.keyword}=" if row.keyword else row.name
    library = "Python" if row.library == PYTHON else row.library
    message = f"{what} is gone since {library} {row.gone_in}; here is {_installed(row.library)}{also}"
    replacement = row.replacement.removeprefix("builtins.") or "something else: there is no replacement"
    is_import = isinstance(nodes[0], ast.Import | ast.ImportFrom)
    return finding(
        "legacy-import" if is_import else "legacy-call",
        source.place(nodes[0]),
        message,
        remedy=f"Write {replacement}." if replacement != row.name else "",
    )


def _rows_at(spot: Spot, sources: Sources, source: Source) -> Iterator[LegacyCall]:
    node = spot.node
    if isinstance(node, ast.Import | ast.ImportFrom):
        for name in imported_modules(node):
            # A file of the package that has the name wins over any library.
            row = _row(name)
            if row is not None and sources.module_path(name.partition(".")[0], source.path) is None:
                yield row
                return
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        name = dotted(node, spot.scopes)
        row = _BY_NAME.get(name) if name else None
        if row is not None and sources.module_path(name.partition(".")[0], source.path) is None:
            yield row
        elif node.attr in _DICT_METHODS and _is_request_data(node.value, spot):
            yield _BY_NAME[f"dict.{node.attr}"]
    elif isinstance(node, ast.Call):
        name = dotted(node.func, spot.scopes)
        for keyword in node.keywords:
            if (name, keyword.arg or "") in _CHANGED:
                yield _CHANGED[name, keyword.arg or ""]


def is_legacy_module(name: str) -> bool:
    """Whether a module of that name is in the table, gone or not."""
    return name in _BY_NAME


def _row(name: str) -> LegacyCall | None:
    """The row of a name, or of what it lies below."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        row = _BY_NAME.get(".".join(parts[:end]))
        if row is not None:
            return row
    return None


def _is_request_data(node: ast.expr, spot: Spot) -> bool:
    """Whether an expression is what the runtime handed to ``_preprocess``: none of its values has such a method."""
    if isinstance(node, ast.Dict):
        return True
    if not isinstance(node, ast.Name) or not spot.functions:
        return False
    hook = spot.functions[-1]
    if hook.name != "_preprocess" or len(hook.args.args) != 2:
        return False
    if node.id == hook.args.args[1].arg:
        return spot.scopes[-1].bindings.get(node.id) == [None]  # the parameter, and never assigned
    return False


def _names_put_back(sources: Sources) -> set[str]:
    """Names that the package itself puts back: ``np.int = int`` or ``setattr(np, "int", int)``."""
    names = set()
    for spot in sources.spots():
        node = spot.node
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(dotted(node, spot.scopes))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            name = node.args[1] if len(node.args) == 3 else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                names.add(f"{dotted(node.args[0], spot.scopes)}.{name.value}")
    return names


def _is_gone(row: LegacyCall) -> bool:
    try:
        return Version(_installed(row.library)) >= Version(row.gone_in)
    except InvalidVersion:
        return False


@cache
def _installed(library: str) -> str:
    """The version of a library; "": it is not installed."""
    if library == PYTHON:
        return platform.python_version()
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
