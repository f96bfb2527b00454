"""Generated faults: from a good package, many packages with one change each, most of them for the worse.

A mutation names the files of ``model/`` that it changes and their new content. Nothing here knows what the check
looks for; whether a mutated package still works is asked of the server.
"""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from model_service.tfs.protos import saved_model_pb2

CONFIG, SERVICE, MODEL, INDEX = "config.json", "customize_service.py", "saved_model.pb", "variables/variables.index"
TYPES = ("object", "array", "string", "number", "boolean", "file")
FLOAT, DOUBLE, INT32, STRING = 1, 2, 3, 7  # TensorFlow's numbers of element types
BROKEN_JSON_POSITIONS = 12


@dataclass(frozen=True)
class Mutation:
    """One change: new contents by path relative to ``model/``; None: the file is removed."""

    name: str
    files: Mapping[str, bytes | None]

    @property
    def changes_model(self) -> bool:
        """Whether the SavedModel is another one."""
        return bool({MODEL, INDEX} & set(self.files))

    def apply(self, model: Path) -> None:
        """Change the package in the folder ``model``."""
        for name, content in self.files.items():
            if content is None:
                (model / name).unlink()
            else:
                (model / name).write_bytes(content)


def mutations(model: Path) -> Iterator[Mutation]:
    """Yield all mutations of the good package in the folder ``model``, always the same in the same order."""
    config_text = (model / CONFIG).read_text(encoding="utf-8")
    yield from _broken_json(config_text)
    for name, content in _config_changes(json.loads(config_text)):
        yield Mutation(f"{CONFIG}: {name}", {CONFIG: json.dumps(content, indent=2).encode()})
    source = (model / SERVICE).read_text(encoding="utf-8")
    for name, text in _service_changes(source):
        yield Mutation(f"{SERVICE}: {name}", {SERVICE: text.encode()})
    yield from _model_changes((model / MODEL).read_bytes())


def _broken_json(text: str) -> Iterator[Mutation]:
    """Take away one character that JSON needs, here and there in the file."""
    places = [index for index, character in enumerate(text) if character in '{}[]:"']
    for place in places[:: max(1, len(places) // BROKEN_JSON_POSITIONS)]:
        yield Mutation(
            f"{CONFIG}: character {place} ({text[place]}) removed",
            {CONFIG: (text[:place] + text[place + 1 :]).encode()},
        )


def _config_changes(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in ("model_algorithm", "model_type"):
        yield f"/{key} dropped", {name: value for name, value in config.items() if name != key}
        for value in (None, 7, "", "<none>"):
            yield f"/{key} is {value!r}", {**config, key: value}
    kinds: dict[str, list[object]] = {"apis": [{}, []], "metrics": [[]], "dependencies": [{}], "validation": ["strict"]}
    for key, wrong in ((key, wrong) for key, wrongs in kinds.items() for wrong in wrongs):
        yield f"/{key} is {wrong!r}", {**config, key: wrong}
    for side in ("request", "response"):
        steps: tuple[str | int, ...] = ("apis", 0, side, "data")
        for node in _schema_nodes(_at(config, steps), steps):
            yield from _schema_changes(config, node)


def _schema_nodes(schema: Any, steps: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The path of a schema and of every schema in it."""
    if not isinstance(schema, dict):
        return
    yield steps
    for name, child in schema.get("properties", {}).items():
        yield from _schema_nodes(child, (*steps, "properties", name))
    items = schema.get("items")
    for index, child in enumerate(items if isinstance(items, list) else []):
        yield from _schema_nodes(child, (*steps, "items", index))
    yield from _schema_nodes(items, (*steps, "items"))


def _schema_changes(config: dict[str, Any], steps: tuple[str | int, ...]) -> Iterator[tuple[str, Any]]:
    place = "/" + "/".join(map(str, steps))
    schema = _at(config, steps)
    for wrong in (*TYPES, "list"):
        if wrong != schema.get("type") and "type" in schema:
            yield f"{place}/type is {wrong}", _changed(config, steps, _setting("type", wrong))
    for name in schema.get("properties", {}):
        yield f"{place}: property {name} renamed", _changed(config, steps, partial(_renamed, name))
    for key in ("minItems", "minLength"):
        if schema.get("type") == {"minItems": "array", "minLength": "string"}[key]:
            yield f"{place}/{key} is 99", _changed(config, steps, _setting(key, 99))
    if schema.get("type") == "number":
        yield f"{place}/maximum is -99", _changed(config, steps, _setting("maximum", -99))


def _setting(key: str, value: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda schema: {**schema, key: value}


def _renamed(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    other = f"{name}_2"
    properties = {other if key == name else key: value for key, value in schema["properties"].items()}
    required = [other if key == name else key for key in schema.get("required", [])]
    return {**schema, "properties": properties, "required": required}


def _at(value: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _changed(config: dict[str, Any], steps: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:
    result = copy.deepcopy(config)
    parent = _at(result, steps[:-1])
    parent[steps[-1]] = change(parent[steps[-1]])
    return result


def _service_changes(source: str) -> Iterator[tuple[str, str]]:
    yield "a colon dropped", source.replace("):\n", ")\n", 1)
    yield "unbalanced", source + "\n("
    yield "the base class is another", source.replace("(TfServingBaseService)", "(object)")
    yield "the base class is misspelled", source.replace("(TfServingBaseService)", "(TfServingBaseServise)")
    yield "an import is misspelled", source.replace("import numpy as np", "import nunpy as np")
    yield "a second service", source + "\n\nclass Second(TfServingBaseService):\n    pass\n"
    yield "it prints as Python 2 does", source + '\n\nprint "ready"\n'
    yield "it ends when loaded", source + "\n\nraise SystemExit(1)\n"
    tree = ast.parse(source)
    for method in _methods(tree):
        for number, node in enumerate(ast.walk(method)):
            yield from _node_changes(tree, node, f"{method.name} node {number} (line {getattr(node, 'lineno', 0)})")


def _methods(tree: ast.Module) -> list[ast.FunctionDef]:
    """The functions of the file, methods first."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    inner = [item for each in classes for item in each.body if isinstance(item, ast.FunctionDef)]
    return [*inner, *(item for item in tree.body if isinstance(item, ast.FunctionDef))]


def _node_changes(tree: ast.Module, node: ast.AST, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Return):
        for wrong in ("None", "b'bytes'", "object()", "float('nan')", "[]", "'text'"):
            yield f"{place} returns {wrong}", _with(tree, node, "value", ast.parse(wrong, mode="eval").body)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
        yield f"{place}: {node.value!r} renamed", _with(tree, node, "value", f"{node.value}_2")
    if isinstance(node, ast.Attribute) and node.attr == "float32":
        for dtype in ("float64", "int64", "complex64", "str_"):
            yield f"{place}: {dtype} instead of float32", _with(tree, node, "attr", dtype)
    if isinstance(node, ast.Attribute) and node.attr in ("open", "array", "asarray", "stack", "sort", "items"):
        yield f"{place}: {node.attr} misspelled", _with(tree, node, "attr", f"{node.attr}_2")
    if isinstance(node, ast.FunctionDef | ast.For | ast.If):
        for index, statement in enumerate(node.body):
            if not isinstance(statement, ast.Expr | ast.Return | ast.Raise):
                rest = [*node.body[:index], *node.body[index + 1 :]] or [ast.Pass()]
                yield f"{place}: line {statement.lineno} removed", _with(tree, node, "body", rest)


def _with(tree: ast.Module, node: ast.AST, name: str, value: object) -> str:
    """The source with one field of one node changed."""
    before = getattr(node, name)
    setattr(node, name, value)
    try:
        return ast.unparse(ast.fix_missing_locations(copy.deepcopy(tree)))
    finally:
        setattr(node, name, before)


def _model_changes(content: bytes) -> Iterator[Mutation]:
    yield Mutation(f"{MODEL} removed", {MODEL: None})
    yield Mutation(f"{MODEL} cut", {MODEL: content[: len(content) // 2]})
    yield Mutation(f"{MODEL} is text", {MODEL: b"version https://git-lfs.github.com/spec/v1\n"})
    yield Mutation(f"{INDEX} removed", {INDEX: None})
    for name, change in _SIGNATURE_CHANGES.items():
        model = saved_model_pb2.SavedModel.FromString(content)
        change(model.meta_graphs[0])
        yield Mutation(f"{MODEL}: {name}", {MODEL: model.SerializeToString()})


def _signature(graph: Any) -> Any:
    return next(value for key, value in sorted(graph.signature_def.items()) if not key.startswith("__"))


def _rename_tensor(tensors: Any) -> None:
    for name in list(tensors):
        tensors[f"{name}_2"].CopyFrom(tensors[name])
        del tensors[name]


def _set_dtype(tensors: Any, dtype: int) -> None:
    for name in tensors:
        tensors[name].dtype = dtype


def _rename_signature(graph: Any) -> None:
    name = next(key for key in sorted(graph.signature_def) if not key.startswith("__"))
    for other in ("first", "second"):
        graph.signature_def[other].CopyFrom(graph.signature_def[name])
    del graph.signature_def[name]


def _set_tag(graph: Any) -> None:
    del graph.meta_info_def.tags[:]
    graph.meta_info_def.tags.append("train")


_SIGNATURE_CHANGES: Mapping[str, Callable[[Any], None]] = {
    "inputs renamed": lambda graph: _rename_tensor(_signature(graph).inputs),
    "outputs renamed": lambda graph: _rename_tensor(_signature(graph).outputs),
    "input dtype double": lambda graph: _set_dtype(_signature(graph).inputs, DOUBLE),
    "input dtype int32": lambda graph: _set_dtype(_signature(graph).inputs, INT32),
    "input dtype string": lambda graph: _set_dtype(_signature(graph).inputs, STRING),
    "two signatures": _rename_signature,
    "another tag": _set_tag,
}
