"""Writing what a check has seen as a test file: the next version of a package must answer the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from model_packaging.check.running.pictures import PictureKind
from model_packaging.check.running.requests import PlannedRequest
from model_packaging.check.running.run import RunOutcome
from model_packaging.check.subject import Subject
from model_service.errors import SettingsError

# With these, the same request has no one answer.
_UNREPEATABLE = frozenset({"not-deterministic", "state-kept"})
_LARGEST_REQUEST_CHARACTERS = 64 * 1024

_HEAD = '''\
"""Recorded answers of a model package: whoever changes it sees here what callers would notice.

Written by ``model-service check --export-tests``. Run it with pytest; it serves the package of the environment
variable MODEL_PACKAGE, or else the one the answers were recorded of:

    MODEL_PACKAGE=/path/to/version2 pytest {name}
"""

import json
import os
from pathlib import Path

import pytest

from model_packaging.check.running.golden import answer_of, problems
from model_service.client import Client
from model_service.client.local import serve_package

PACKAGE = Path(os.environ.get("MODEL_PACKAGE", {package!r}))
BACKEND = os.environ.get("MODEL_BACKEND", "auto")

# Numbers may differ by this much: float32 results depend on machine and batch. Everything else must be equal.
RELATIVE_TOLERANCE = 1e-4
ABSOLUTE_TOLERANCE = 1e-5

{source}

@pytest.fixture(scope="module")
def client():
    with serve_package(PACKAGE, "--backend", BACKEND) as service, Client(service.url) as client:
        yield client


@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["title"] for golden in GOLDEN])
def test_answer_is_the_recorded_one(client, golden):
    status, answer = answer_of(client, golden["request"])
    assert problems(golden, status, answer, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE) == []
'''
_BESIDE = """\
GOLDEN = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
"""
_WITHIN = """\
# One line a request: what was sent, and the status and answer that came back.
GOLDEN = [
{rows}
]
"""
_LARGEST_SOURCE_CHARACTERS = 256 * 1024


def export_tests(outcome: RunOutcome, subject: Subject, path: Path) -> int:
    """Write a pytest file with the requests that were answered or refused, and what a caller got.

    What would make the file unreadably large is put into a JSON file of the same name beside it.

    Args:
        outcome: what running has told.
        subject: the package that was run.
        path: the file; replaced if it exists.

    Returns:
        How many requests it has.

    Raises:
        SettingsError: nothing was answered, answers cannot be repeated, or the file cannot be written.
    """
    unrepeatable = sorted({each.code for each in outcome.findings} & _UNREPEATABLE)
    if unrepeatable:
        codes = ", ".join(unrepeatable)
        raise SettingsError(f"--export-tests {path}: the answers are not repeatable ({codes}); mend that first")
    golden = list(_golden(outcome.answered))
    if not any(each["status"] == HTTPStatus.OK for each in golden):
        raise SettingsError(f"--export-tests {path}: no request was answered, there is nothing to record")
    rows = [_literal(each) for each in golden]
    is_within = sum(map(len, rows)) <= _LARGEST_SOURCE_CHARACTERS
    source = _WITHIN.format(rows="\n".join(rows)) if is_within else _BESIDE
    text = _HEAD.format(name=path.name, package=str(subject.path.resolve()), source=source)
    if is_within:
        text = text.replace("import json\nimport os", "import os")
    try:
        path.write_text(text, encoding="utf-8")
        if not is_within:
            path.with_suffix(".json").write_text(json.dumps(golden, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"--export-tests {path}: cannot be written: {error.strerror}") from error
    return len(golden)


def _golden(answered: Sequence[tuple[PlannedRequest, int, object]]) -> Iterator[dict[str, Any]]:
    titles: set[str] = set()
    for request, status, answer in answered:
        content = request.body.as_json()
        is_large = len(json.dumps(content)) > _LARGEST_REQUEST_CHARACTERS
        if status >= 500 or is_large or request.title in titles or _is_large_picture(request):
            continue
        titles.add(request.title)
        yield {"title": request.title, "request": content, "status": status, "answer": answer}


def _is_large_picture(request: PlannedRequest) -> bool:
    return request.picture is not None and request.picture.kind is PictureKind.LARGE


def _literal(golden: dict[str, Any]) -> str:
    """A dict as Python, a line for each key; NaN and infinity, which have no literal, as calls of float."""
    lines = [f"        {key!r}: {_python(value)}," for key, value in golden.items()]
    return "\n".join(["    {", *lines, "    },"])


def _python(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_python(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python, value)) + "]"
    if isinstance(value, float) and value - value != 0:
        return f"float({str(value)!r})"
    return repr(value)
