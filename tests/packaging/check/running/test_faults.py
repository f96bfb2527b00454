"""Packages with one fault each: running them names exactly that one; sound ones give nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_packaging.check.finding import Place, Severity
from model_packaging.check.running.limits import Limits
from tests.packaging.check.running.conftest import RunPackage, TrainedModels, codes, only

WITH_MODEL = {
    "float64_sent": "converted-element-type",
    "wrong_tensor_name": "wrong-tensor-name",
    "wrong_element_type": "wrong-element-type",
    "wrong_shape": "wrong-shape",
    "wrong_output_name": "wrong-output-name",
    "grey_only": "picture-mode",
    "cuts_sizes": "picture-size",
    "first_file_only": "only-one-answered",
    "one_file_or_none": "two-files",
    "out_of_range": "out-of-range",
    "breaks_contract": "answer-breaks-contract",
    "breaks_strict_contract": "strict-answer-refused",
    "answers_broken_files": "bad-picture-answered",
    "fails_on_broken_files": "bad-picture-500",
    "mixes_threads": "not-thread-safe",
    "keeps_state": "state-kept",
    "remembers_first": "state-kept",
    "random_answers": "not-deterministic",
    "writes_beside_itself": "writes-to-package",
    "changes_folder": "changes-folder",
    "ignores_exif": "exif-ignored",
}
WITHOUT_MODEL = {
    "exits_process": "process-ends",
    "crashes": "process-ends",
    "writes_into_sockets": "process-ends",
    "only_one_instance": "not-thread-safe",
    "calls_sys_exit": "request-not-answered",
    "exits_at_import": "does-not-load",
    "import_error": "does-not-load",
    "wrong_key": "request-not-answered",
    "fails_at_border": "border-not-answered",
    "sleeps_long": "slow-hook",
    "looks_up_names": "needs-sample",
    "needs_optional": "optional-but-needed",
    "bytes_result": "answer-not-json",
    "nan_result": "nan-in-answer",
}


@pytest.mark.parametrize("name", WITH_MODEL)
def test_faults_of_packages_with_a_model(run: RunPackage, name: str) -> None:
    assert codes(run(name, model="digits")) == {WITH_MODEL[name]}


@pytest.mark.parametrize("name", WITHOUT_MODEL)
def test_faults_of_packages_without_a_model(run: RunPackage, name: str) -> None:
    assert codes(run(name)) == {WITHOUT_MODEL[name]}


@pytest.mark.parametrize("name", ["siblings", "shadowing", "numpy_result", "raises"])
def test_sound_packages(run: RunPackage, name: str) -> None:
    assert run(name).findings == ()


def test_sound_package_with_a_model(run: RunPackage) -> None:
    outcome = run("good_digits", model="digits")
    assert outcome.findings == ()
    assert outcome.measurements["requests"] >= 25
    assert outcome.measurements["peak memory bytes"] > 1e7
    assert {f"{hook} seconds" for hook in ("_preprocess", "_inference", "_postprocess")} < outcome.measurements.keys()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model"), [("thread_safe", None), ("vision", "pictures")])
def test_more_sound_packages(run: RunPackage, name: str, model: str | None) -> None:
    assert run(name, model=model).findings == ()


def test_package_that_never_ends(run: RunPackage) -> None:
    found = only(run("never_ends", limits=Limits(request_seconds=2)))
    assert (found.code, found.place.file) == ("too-slow", "customize_service.py")
    assert found.place.line in (8, 9)
    assert "has not answered after 2 s" in found.message


def test_package_that_takes_all_memory(run: RunPackage) -> None:
    found = only(run("takes_all_memory", limits=Limits(memory_bytes=300 * 1024**2)))
    assert found.code == "too-much-memory"
    assert "0.3 GiB are allowed" in found.message


def test_crash_names_the_line(run: RunPackage) -> None:
    found = only(run("crashes"))
    assert found.place == Place("customize_service.py", 10)
    assert "SIGSEGV" in found.message


def test_end_names_the_request(run: RunPackage) -> None:
    found = only(run("exits_process"))
    assert "a request with /number at its maximum 10" in found.message
    assert "status 3" in found.message


def test_failing_hook_names_phase_exception_and_line(run: RunPackage) -> None:
    found = only(run("wrong_key"))
    assert found.place == Place("customize_service.py", 8)
    assert "KeyError: 'numbers' in _inference" in found.message
    assert "400" in found.message


def test_made_up_value_is_no_fault(run: RunPackage) -> None:
    assert only(run("looks_up_names")).severity is Severity.NOTE
    assert run("looks_up_names", samples=('{"name": "Ada"}',)).findings == ()
    found = only(run("wrong_key", samples=('{"number": 3}',)))
    assert found.code == "request-not-answered"


def test_other_names_say_what_is_known(run: RunPackage) -> None:
    assert "did you mean 'images'?" in only(run("wrong_tensor_name", model="digits")).message


def test_model_that_takes_one_row(run: RunPackage) -> None:
    found = only(run("good_digits", model="one_row"))
    assert found.code == "fixed-batch"
    assert "images: float32 [1, 784]" in found.message


def test_samples_are_sent_beside_drawings(run: RunPackage, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = only(run("good_digits", model="digits", samples=(str(tmp_path / "broken.png"),)))
    assert found.code == "request-not-answered"
    assert "the sample broken.png is answered 400: UnidentifiedImageError" in found.message


@pytest.mark.slow
def test_missing_division_shows_in_the_answers_of_a_trained_model(
    run: RunPackage, trained_model: TrainedModels
) -> None:
    assert codes(run("forgets_scaling", model=trained_model("unit"))) == {"missing-scaling"}
    assert run("good_digits", model=trained_model("unit")).findings == ()


@pytest.mark.slow
def test_model_that_divides_by_itself(run: RunPackage, trained_model: TrainedModels) -> None:
    assert run("forgets_scaling", model=trained_model("bytes")).findings == ()


@pytest.mark.slow
def test_package_that_says_its_range_is_believed(run: RunPackage, trained_model: TrainedModels) -> None:
    assert run("says_its_range", model=trained_model("unit")).findings == ()
