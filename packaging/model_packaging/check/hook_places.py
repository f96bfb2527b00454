"""Findings about what a hook did, put at the hook's line: running tells what happened, reading tells where."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace

from model_packaging.check.finding import Finding, Place
from model_packaging.check.reading.service_class import ServiceClass, find_service_class
from model_packaging.check.reading.sources import Sources
from model_packaging.check.subject import Subject
from model_service.package.layout import SERVICE_NAME

# Rule of the running half -> the hook that its findings are about.
_HOOKS = {
    "answer-not-json": "_postprocess",
    "bad-picture-answered": "_preprocess",
    "converted-element-type": "_preprocess",
    "exif-ignored": "_preprocess",
    "missing-scaling": "_preprocess",
    "only-one-answered": "_preprocess",
    "out-of-range": "_preprocess",
    "picture-mode": "_preprocess",
    "picture-size": "_preprocess",
    "wrong-element-type": "_preprocess",
    "wrong-shape": "_preprocess",
    "wrong-tensor-name": "_preprocess",
}


def placed_at_hooks(findings: Iterable[Finding], subject: Subject) -> list[Finding]:
    """Give findings that name only customize_service.py the line of the hook they are about, where it can be told."""
    service: ServiceClass | None = None
    placed = []
    for each in findings:
        if each.place == Place(SERVICE_NAME) and each.code in _HOOKS:
            service = service or find_service_class(Sources(subject))[0]
            place = service and _place(service, each.code)
            placed.append(replace(each, place=place) if place else each)
        else:
            placed.append(each)
    return placed


def _place(service: ServiceClass, code: str) -> Place | None:
    found = service.method(_HOOKS[code])
    if found is None:
        return None
    source, method = found
    node: ast.AST = method
    if code == "picture-size":
        node = next(filter(_resizes_in_place, ast.walk(method)), method)
    return source.place(node)


def _resizes_in_place(node: ast.AST) -> bool:
    """Whether this is ``array.resize(...)`` as a statement, which cuts or pads an array; Pillow's returns a picture."""
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    return isinstance(node.value.func, ast.Attribute) and node.value.func.attr == "resize"
