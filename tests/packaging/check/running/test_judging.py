"""What the judges make of a request that the package's contract does not let through."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from model_packaging.check.finding import Severity
from model_packaging.check.running.run import run_package
from model_packaging.check.subject import read_subject
from tests.conftest import SavedModels
from tests.packaging.check.running.conftest import RunPackage, codes

SERVICE = """\
from PIL import Image

from model_service.tfserving_model_service import TfServingBaseService


class SizeService(TfServingBaseService):
    def _inference(self, data):
        return {"sizes": [Image.open(content).convert("L").size for content in data["images"].values()]}
"""


def package_with(folder: Path, request: object) -> Path:
    (folder / "model").mkdir()
    (folder / "model" / "customize_service.py").write_text(SERVICE)
    config = {"apis": [{"request": {"data": request}}]}
    (folder / "model" / "config.json").write_text(json.dumps(config))
    return folder


def test_own_request_that_breaks_the_contract_is_no_fault_of_the_package(tmp_path: Path) -> None:
    request = {"type": "object", "properties": {"images": {"type": "file"}}, "minProperties": 2}
    (found,) = run_package(read_subject(package_with(tmp_path, request))).findings
    assert (found.code, found.severity) == ("needs-sample", Severity.NOTE)
    assert "minProperties 2" in found.message


def test_package_with_its_own_inference_is_sent_pictures(tmp_path: Path) -> None:
    request = {"type": "object", "properties": {"images": {"type": "file"}}, "required": ["images"]}
    outcome = run_package(read_subject(package_with(tmp_path, request)))
    assert outcome.findings == ()
    sizes = {request.title: answer for request, status, answer in outcome.answered if status == 200}
    assert sizes["RGB PNG of 64x64 as images"] == {"sizes": [[64, 64]]}
    assert sizes["two pictures as images"] == {"sizes": [[64, 64], [64, 64]]}


def test_repeated_findings_are_told_once(run: RunPackage) -> None:
    outcome = run("breaks_contract", model="digits")
    assert codes(outcome) == {"answer-breaks-contract"}
    assert len(outcome.findings) == 1


ROWS_SERVICE = """\
import numpy as np

from model_service.tfserving_model_service import TfServingBaseService


class RowsService(TfServingBaseService):
    def _preprocess(self, data):
        rows = [np.full(784, row, np.float32) for row in data["rows"]]
        return {"images": np.array(rows, np.float32)}
"""


def test_rare_request_of_the_wrong_shape_is_a_warning(
    tmp_path: Path, saved_model: SavedModels, digits_server: str
) -> None:
    rows = {"type": "array", "items": {"type": "number"}}
    package = package_with(tmp_path, {"type": "object", "properties": {"rows": rows}, "required": ["rows"]})
    (package / "model" / "customize_service.py").write_text(ROWS_SERVICE)
    shutil.copytree(saved_model("digits"), package / "model", dirs_exist_ok=True)
    (found,) = run_package(read_subject(package), backend=digits_server).findings
    assert (found.code, found.severity) == ("border-not-answered", Severity.WARNING)
    assert "/rows empty: _preprocess makes 'images' float32 [0]; the model wants images: float32 [?, 784]" in (
        found.message
    )


def test_a_request_that_is_no_object_is_sent_though_files_are_declared(tmp_path: Path) -> None:
    request = {"type": "number", "properties": {"images": {"type": "file"}}, "required": ["images"]}
    (found,) = run_package(read_subject(package_with(tmp_path, request))).findings
    assert found.code == "request-not-answered"
    assert "TypeError" in found.message


def test_rare_request_whose_answer_is_refused_is_a_warning(tmp_path: Path) -> None:
    texts = {"type": "array", "items": {"type": "string"}}
    package = package_with(tmp_path, {"type": "object", "properties": {"texts": texts}, "required": ["texts"]})
    config = json.loads((package / "model" / "config.json").read_text())
    config["apis"][0]["response"] = {"data": {"type": "integer", "minimum": 1}}
    config["validation"] = {"response": "strict"}
    (package / "model" / "config.json").write_text(json.dumps(config))
    code = SERVICE.partition("        return")[0] + "        return len(data['texts'])\n"
    (package / "model" / "customize_service.py").write_text(code)
    (found,) = run_package(read_subject(package)).findings
    assert (found.code, found.severity, found.place.file) == ("border-not-answered", Severity.WARNING, "answer")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "required": ["data"], "properties": {}},
        {"type": "object", "required": ["data"], "properties": {"data": {"type": "array"}}},
        {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": [{}]}}},
    ],
    ids=["property", "elements", "elements of any kind"],
)
def test_what_is_required_but_described_nowhere_proves_nothing(tmp_path: Path, schema: dict[str, Any]) -> None:
    package = package_with(tmp_path, schema)
    code = SERVICE.partition("        return")[0] + "        return len(data['data']['rows'])\n"
    (package / "model" / "customize_service.py").write_text(code)
    (found,) = run_package(read_subject(package)).findings
    assert (found.code, found.severity) == ("needs-sample", Severity.NOTE)
