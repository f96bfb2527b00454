"""Requests that the user gives: files, folders of files, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from model_packaging.check.running.bodies import Body, FormPart
from model_packaging.check.running.requests import PlannedRequest, Purpose, file_fields
from model_packaging.check.subject import Subject
from model_service.errors import SettingsError

_MAX_FILES = 100


def read_samples(samples: Sequence[str], subject: Subject) -> tuple[PlannedRequest, ...]:
    """Make requests of what the user gave with ``--sample``.

    Each is a JSON text or a .json file (a body), or a file or a folder of files (one request each) for the only file
    field of the request schema; ``NAME=FILE`` says for which field.

    Raises:
        SettingsError: one is unusable.
    """
    return tuple(request for sample in samples for request in _read_sample(sample, subject))


def _read_sample(sample: str, subject: Subject) -> Iterator[PlannedRequest]:
    if sample.lstrip().startswith(("{", "[")):
        yield _json_request(sample, "the JSON text")
        return
    name, _, rest = sample.partition("=")
    path = Path(sample)
    if rest and not path.exists():
        path = Path(rest)
    else:
        name = ""
    if path.is_dir():
        files = sorted(each for each in path.iterdir() if each.is_file())[:_MAX_FILES]
    elif path.is_file():
        files = [path]
    else:
        raise SettingsError(f"--sample {sample}: no such file or folder, and no JSON text")
    if not files:
        raise SettingsError(f"--sample {sample}: the folder holds no file")
    for file in files:
        if file.suffix == ".json" and not name:
            yield _json_request(_text(file), str(file))
        else:
            part = FormPart(name or _only_field(subject, sample), _content(file), file.name)
            yield PlannedRequest(f"the sample {file.name}", Purpose.SAMPLE, Body(parts=(part,)))


def _only_field(subject: Subject, sample: str) -> str:
    fields = file_fields(subject.config.apis[0].request_schema) if subject.config.apis else []
    if len(fields) != 1:
        known = f"it declares {', '.join(fields)}" if fields else "it declares none"
        raise SettingsError(
            f"--sample {sample}: the request schema must declare exactly one property of type file; {known}. "
            "Say which field it is for: --sample NAME=FILE"
        )
    return fields[0]


def _json_request(text: str, where: str) -> PlannedRequest:
    try:
        value: Any = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"--sample: {where} is not JSON: {error}") from error
    return PlannedRequest(f"the sample {where}", Purpose.SAMPLE, Body(value))


def _text(path: Path) -> str:
    try:
        return _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"--sample {path}: not UTF-8 at byte {error.start}") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"--sample {path}: cannot be read: {error.strerror}") from error
