"""What the judges make of a request that the package's contract does not let through."""

from __future__ import annotations

import json
from pathlib import Path

from model_packaging.check.finding import Severity
from model_packaging.check.running.run import run_package
from model_packaging.check.subject import read_subject
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
