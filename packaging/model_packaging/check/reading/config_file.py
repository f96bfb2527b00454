"""config.json: is it JSON, does it keep the rules, and does it say what its author thinks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding
from model_packaging.check.reading.contract import check_contract
from model_packaging.check.reading.impossible import check_request_can_be_made
from model_packaging.check.reading.json_text import JsonText
from model_packaging.check.reading.near import did_you_mean
from model_packaging.check.subject import Subject
from model_packaging.rules import check_config
from model_service.package.schema import child_pointer

_TYPES = {
    "bool": "boolean",
    "bytes": "file",
    "dict": "object",
    "double": "number",
    "float": "number",
    "image": "file",
    "int": "integer",
    "list": "array",
    "long": "integer",
    "map": "object",
    "str": "string",
    "text": "string",
    "tuple": "array",
}
# The labels of the documents, versions left open.
_RUNTIME = re.compile(
    r"(python|tf|pytorch|mindspore_|tensorflow_|pytorch_|mxnet|caffe)[\w.]*(-[\w.]+)*", re.ASCII | re.IGNORECASE
)


def check_config_file(subject: Subject, text: JsonText) -> Iterator[Finding]:
    """Yield everything that is wrong with config.json."""
    yield from text.findings
    if not text.is_json:
        return
    wheels = {wheel.name for wheel in subject.layout.model_directory.glob("*.whl")}
    for breach in check_config(text.value, wheels):
        remedy = ""
        if breach.code == "unknown-schema-type":
            name = _at(text.value, breach.pointer)
            right = _TYPES.get(name.lower(), "") if isinstance(name, str) else ""
            remedy = f'Write "type": "{right}".' if right else ""
        code = breach.code
        if code == "bad-validation" and not _is_mode(breach.pointer, text.value):
            code = "validation-not-used"
        yield finding(code, text.place(breach.pointer), breach.message, remedy=remedy)
    yield from check_contract(text, subject.config)
    yield from _check_tensor_names(subject, text)
    yield from check_request_can_be_made(text, subject.config)
    runtime = text.value.get("runtime") if isinstance(text.value, dict) else None
    if isinstance(runtime, str) and not _RUNTIME.fullmatch(runtime):
        yield finding("unknown-runtime", text.place("/runtime"), f"{runtime!r} is no label that the documents know")


def _check_tensor_names(subject: Subject, text: JsonText) -> Iterator[Finding]:
    tensors = text.value.get("tensors") if isinstance(text.value, dict) else None
    if subject.signature is None or not isinstance(tensors, dict):
        return
    inputs = subject.signature.inputs
    for name in tensors:
        if name not in inputs:
            message = f"the model has no input {name!r}{did_you_mean(name, inputs)}; it has: {', '.join(inputs)}"
            yield finding("bad-tensors", text.place(child_pointer("/tensors", name)), message)


def _is_mode(pointer: str, content: object) -> bool:
    """Whether the runtime takes what a pointer leads to for a mode; it passes over anything else."""
    return pointer in ("/validation/request", "/validation/response") and isinstance(_at(content, pointer), str)


def _at(value: object, pointer: str) -> object:
    """The value that a pointer leads to; None: there is none."""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value
