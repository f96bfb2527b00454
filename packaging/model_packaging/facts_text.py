"""What is known of a package, for a person to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_INDENT = "  "
_LIMITS = (
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minItems",
    "maxItems",
    "uniqueItems",
    "enum",
)


def facts_text(facts: Mapping[str, Any]) -> str:
    """Return the facts of :func:`model_packaging.package_facts.package_facts` as text."""
    sections = {
        "package": _package(facts),
        "model": _model(facts["model"]),
        "contract": _contract(facts["contract"]),
        "dependencies": facts["dependencies"],
        "metrics": [f"{name}: {value}" for name, value in (facts["metrics"] or {}).items()]
        if isinstance(facts["metrics"], dict)
        else [],
        "training run": _training(facts["training"]),
        f"files ({facts['size_bytes']:,} bytes)": _files(facts["files"]),
    }
    lines = []
    for title, rows in sections.items():
        lines += [title, *(f"{_INDENT}{row if row.isprintable() else ascii(row)}" for row in rows or ["none"])]
    return "\n".join(lines) + "\n"


def _package(facts: Mapping[str, Any]) -> list[str]:
    rows = [facts["package"]]
    if facts["archive"] is not None:
        archive = facts["archive"]
        rows += [
            f"an archive of {archive['size_bytes']:,} bytes by tf-model-service {archive['tf_model_service_version']}; "
            "every digest holds",
            f"contents: sha256 {archive['contents_sha256']}",
        ]
    missing = [name for name, value in facts["parts"].items() if value is None]
    names = {"config": "config.json", "service": "customize_service.py", "saved_model": "saved_model.pb"}
    return rows + [f"without {names[name]}" for name in missing]


def _model(model: Mapping[str, Any] | None) -> list[str]:
    if model is None:
        return []
    rows = []
    if model.get("tensorflow_version"):
        rows.append(f"written by TensorFlow {model['tensorflow_version']}")
    rows += model.get("problem", "").splitlines()
    signature = model.get("signature")
    if signature is None:
        return rows
    others = [name for name in model["signatures"] if name != signature["name"] and not name.startswith("__")]
    rows.append(f"signature {signature['name']}" + (f" (others: {', '.join(others)})" if others else ""))
    for side, label in (("inputs", "input "), ("outputs", "output")):
        rows += [f"{_INDENT}{label} {name}: {tensor_text(spec)}" for name, spec in signature[side].items()]
    return rows


def tensor_text(spec: Mapping[str, Any]) -> str:
    """Return element type and shape, ``float32 [?, 784]``."""
    if spec["shape"] is None:
        return f"{spec['dtype']}, any shape"
    return f"{spec['dtype']} [{', '.join('?' if size is None else str(size) for size in spec['shape'])}]"


def _contract(contract: Mapping[str, Any]) -> list[str]:
    rows = []
    for api in contract["apis"]:
        rows.append(f"{api['method']} {api['url']}")
        for side in ("request", "response"):
            mode = contract["validation"].get(side)
            label = f"{_INDENT}{side}{f' ({mode})' if mode else ''}"
            if api[side] is None:
                rows.append(f"{label}: anything")
            else:
                rows += _schema(label, api[side], "", _INDENT)
    return [*rows, *contract["problems"]]


def _schema(name: str, schema: Any, remark: str, indent: str) -> Iterator[str]:
    """One line for a value, and lines below it for its parts."""
    if not isinstance(schema, Mapping):
        yield f"{name}: {'anything' if schema is True else json.dumps(schema)}{remark}"
        return
    yield f"{name}: {_kind(schema)}{remark}"
    below = indent + _INDENT
    required = schema.get("required", ())
    properties = schema.get("properties")
    for key, part in properties.items() if isinstance(properties, Mapping) else ():
        yield from _schema(f"{below}{key}", part, "" if key in required else ", optional", below)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _schema(f"{below}each", items, "", below)
    for index, part in enumerate(items if isinstance(items, Sequence) else ()):
        yield from _schema(f"{below}[{index}]", part, "", below)


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = " or ".join(map(str, kind))
    if kind is None and "const" in schema:
        kind = json.dumps(schema["const"], ensure_ascii=False)
    limits = [f"{name} {json.dumps(schema[name], ensure_ascii=False)}" for name in _LIMITS if name in schema]
    return ", ".join([str(kind or "anything"), *limits])


def _training(training: object) -> list[str]:
    if not isinstance(training, Mapping):
        return []
    metrics = training.get("test_metrics")
    measured = (
        [f"{name}: {json.dumps(value)}" for name, value in metrics.items()] if isinstance(metrics, Mapping) else []
    )
    return [str(training.get("version")), *measured]


def _files(files: Sequence[Mapping[str, Any]]) -> list[str]:
    width = max((len(f"{file['size_bytes']:,}") for file in files), default=0)
    return [f"{file['size_bytes']:>{width},}  {file['sha256'][:16]}  {file['path']}" for file in files]
