"""The names that the hooks use against the names that the model and the contract have."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.near import did_you_mean
from model_packaging.check.reading.service_class import ServiceClass
from model_packaging.check.reading.sources import Source
from model_service.package.config import PackageConfig
from model_service.tfs.signature import Signature


def check_signature_use(service: ServiceClass, signature: Signature) -> Iterator[Finding]:
    """Yield inputs that are sent under wrong names or not at all, and outputs that do not exist.

    Only for services that leave the call to the model to the base class.
    """
    found = service.method("_preprocess")
    if found is not None:
        source, method = found
        sent = _sent_keys(method)
        if sent is not None:
            yield from _check_sent(source, method, sent, signature)
    found = service.method("_postprocess")
    if found is not None:
        source, method = found
        outputs = ", ".join(signature.outputs)
        for key, node in _required_keys(method).items():
            if key not in signature.outputs:
                message = f"reads the output {key!r}{did_you_mean(key, signature.outputs)}; the model has: {outputs}"
                yield finding("unknown-output", source.place(node), message)


def _check_sent(
    source: Source, method: ast.AST, sent: Mapping[str, ast.AST], signature: Signature
) -> Iterator[Finding]:
    inputs = ", ".join(map(str, signature.inputs.values()))
    unknown = [key for key in sent if key not in signature.inputs]
    for key in unknown:
        message = f"sends {key!r}{did_you_mean(key, signature.inputs)}; the model has: {inputs}"
        yield finding("unknown-input", source.place(sent[key]), message)
    missing = [name for name in signature.inputs if name not in sent]
    if missing and not unknown:
        yield finding(
            "missing-input", source.place(method), f"never sends {', '.join(missing)}; the model has: {inputs}"
        )


def check_form_fields(service: ServiceClass, config: PackageConfig) -> Iterator[Finding]:
    """Yield fields that ``_preprocess`` cannot do without, and that the request schema does not declare."""
    found = service.method("_preprocess")
    schemas = [api.request_schema for api in config.apis]
    if found is None or service.defines("inference") or len(schemas) != 1 or schemas[0] is None:
        return
    declared = _declared_properties(schemas[0])
    source, method = found
    for key, node in _required_keys(method).items():
        if declared and key not in declared:
            message = f"needs the field {key!r}{did_you_mean(key, declared)}; declared are: {', '.join(declared)}"
            yield finding("field-not-declared", source.place(node), message)


def _declared_properties(schema: Mapping[str, Any]) -> list[str]:
    """The names of all properties that an object may have by the schema; empty: it may have others, or it is none."""
    others = ("patternProperties", "allOf", "anyOf", "oneOf", "$ref", "if", "propertyNames")
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or any(key in schema for key in others):
        return []
    if isinstance(schema.get("additionalProperties"), dict):
        return []
    return [*properties, *schema.get("required", [])]  # who must send a field has been told of it


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield from _own_nodes(child)


def _argument(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    names = [each.arg for each in (*method.args.posonlyargs, *method.args.args)]
    return names[1] if len(names) == 2 else ""


def _required_keys(method: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, ast.AST]:
    """The keys that a hook reads from its argument on every road: ``data["x"]`` as a statement's own expression.

    A hook that assigns to the argument, hands it on, or reads under a condition is not followed there.
    """
    name = _argument(method)
    stored = any(isinstance(node, ast.Name) and node.id == name and not _is_read(node) for node in ast.walk(method))
    if not name or stored:
        return {}
    keys: dict[str, ast.AST] = {}
    for statement in method.body:
        if isinstance(statement, ast.Return | ast.Assign | ast.AnnAssign | ast.Expr | ast.AugAssign | ast.For):
            expression = statement.iter if isinstance(statement, ast.For) else statement.value
            for node in _evaluated(expression):
                key = _subscript_key(node, name)
                if key is not None:
                    keys.setdefault(key, node)
        elif not isinstance(statement, ast.FunctionDef | ast.Import | ast.ImportFrom | ast.Pass | ast.Assert):
            break  # what follows an if, try or with may never be reached
        if isinstance(statement, ast.Return) or _writes_into(statement, name):
            break
    return keys


def _is_read(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _writes_into(statement: ast.AST, name: str) -> bool:
    """Whether a statement changes the argument, or hands it to somebody who may."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and _is_name(node.value, name):
            return True
        if isinstance(node, ast.Call):
            handed = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(_is_name(each, name) for each in handed):
                return True
            function = node.func
            if isinstance(function, ast.Attribute) and _is_name(function.value, name):
                return function.attr not in ("get", "items", "keys", "values")
    return False


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _evaluated(expression: ast.expr | None) -> Iterator[ast.AST]:
    """The parts of an expression that are evaluated whenever it is."""
    if expression is None:
        return
    yield expression
    if isinstance(expression, ast.IfExp):
        yield from _evaluated(expression.test)
    elif isinstance(expression, ast.BoolOp):
        yield from _evaluated(expression.values[0])
    elif isinstance(expression, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        yield from _evaluated(expression.generators[0].iter)
    elif not isinstance(expression, ast.Lambda):
        for child in ast.iter_child_nodes(expression):
            if isinstance(child, ast.expr):
                yield from _evaluated(child)
            elif isinstance(child, ast.keyword):
                yield from _evaluated(child.value)


def _subscript_key(node: ast.AST, name: str) -> str | None:
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return None
    if not isinstance(node.value, ast.Name) or node.value.id != name:
        return None
    key = node.slice
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None


def _sent_keys(method: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, ast.AST] | None:
    """All keys of the dicts that a hook returns; None: reading cannot tell."""
    own = list(_own_nodes(method))
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own):
        return None
    returns = [node for node in own if isinstance(node, ast.Return)]
    keys: dict[str, ast.AST] = {}
    for each in returns:
        found = _dict_keys(each.value)
        if found is None and isinstance(each.value, ast.Name):
            found = _assembled_keys(method, each.value.id)
        if found is None:
            return None
        keys.update(found)
    return keys if returns and keys else None


def _dict_keys(node: ast.expr | None) -> dict[str, ast.AST] | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dict", "OrderedDict"):
        if node.args or any(keyword.arg is None for keyword in node.keywords):
            return None
        return {keyword.arg: keyword for keyword in node.keywords if keyword.arg is not None}
    if not isinstance(node, ast.Dict):
        return None
    keys: dict[str, ast.AST] = {}
    for key in node.keys:
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            return None
        keys[key.value] = key
    return keys


def _assembled_keys(method: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> dict[str, ast.AST] | None:
    """The keys of a local dict that is made once and then only gets entries under constant keys."""
    keys: dict[str, ast.AST] = {}
    accounted = 0  # uses of the name that are understood
    made = 0
    for node in ast.walk(method):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == name:
                first = _dict_keys(node.value)
                if first is None:
                    return None
                made += 1
                accounted += 1
                keys.update(first)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == name:
            if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, str):
                return None
            accounted += 1
            if isinstance(node.ctx, ast.Store):
                keys.setdefault(node.slice.value, node)
            elif isinstance(node.ctx, ast.Del):
                return None
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Name) and node.value.id == name:
            accounted += 1
    uses = sum(1 for node in ast.walk(method) if isinstance(node, ast.Name) and node.id == name)
    return keys if made == 1 and uses == accounted else None
