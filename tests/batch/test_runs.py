"""Whole runs of the command: what comes out, and with which exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model_service.client import Client
from model_service.client.local import serve_package
from tests.batch.conftest import Command
from tests.conftest import MakePackage
from tests.models import IMAGE_PIXELS, FloatArray, digits_scores

WriteRows = Callable[..., Path]


def test_every_item_has_its_line_in_order(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    command = Command(logged_rows, write_rows(150), tmp_path / "out", ("--backend", digits_server))
    done = command.run()
    assert (done.status, done.stderr) == (0, "")
    assert "150 items: 150 answered, 0 failed" in done.stdout
    lines = command.lines()
    assert [line["item"] for line in lines] == list(range(150))
    assert [line["source"] for line in lines] == [f"rows.jsonl#{number}" for number in range(1, 151)]
    for line in lines:
        row: FloatArray = np.full((1, IMAGE_PIXELS), line["answer"]["x"], np.float32)
        assert line["answer"]["x"] == line["item"] / 1000
        np.testing.assert_allclose(line["answer"]["scores"], digits_scores(row)[0], rtol=1e-4)


@pytest.mark.parametrize("batch_size", ["1", "7", "1000"])
def test_any_batch_size_gives_the_same_answers_within_a_tolerance(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str, batch_size: str
) -> None:
    flags = ("--backend", digits_server, "--batch-size", batch_size, "--workers", "1")
    command = Command(logged_rows, write_rows(40), tmp_path / "out", flags)
    assert command.run().status == 0
    answers = [line["answer"]["scores"] for line in command.lines()]
    rows: FloatArray = np.repeat(np.arange(40, dtype=np.float32)[:, None] / np.float32(1000), IMAGE_PIXELS, axis=1)
    np.testing.assert_allclose(answers, digits_scores(rows), rtol=1e-4)


def test_a_folder_of_pictures_is_answered_as_the_service_answers(make_package: MakePackage, tmp_path: Path) -> None:
    package = make_package("digits", model="digits")
    folder = tmp_path / "pictures"
    random = np.random.default_rng(1)
    for name in ("b/1.png", "a/2.png", "a/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (28, 28), dtype=np.uint8)).save(folder / name)
    (folder / "a" / "broken.png").write_bytes(b"no picture")
    command = Command(package, folder, tmp_path / "out", ("--backend", "embedded"))
    done = command.run()
    assert done.status == 1
    lines = command.lines()
    assert [line["source"] for line in lines] == ["a/1.png", "a/2.png", "a/broken.png", "b/1.png"]
    assert [line["result"] for line in lines] == ["SUCCESSFUL", "SUCCESSFUL", "FAILED", "SUCCESSFUL"]
    assert lines[2]["error_message"] == "an image cannot be decoded: it is in no known image format"
    assert "failed: a/broken.png: an image cannot be decoded" in done.stderr
    with serve_package(package, "--backend", "embedded") as service, Client(service.url) as client:
        for line in (lines[0], lines[1], lines[3]):
            online = client.predict(files={"images": folder / line["source"]})
            assert online["predicted_label"] == line["answer"]["predicted_label"]
            np.testing.assert_allclose(
                [score for _, score in online["scores"]], [score for _, score in line["answer"]["scores"]], rtol=1e-4
            )


def test_one_bad_item_stops_nothing_and_is_blamed_alone(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    rows = write_rows(30, faults={3: "raise", 11: "shape"})
    command = Command(logged_rows, rows, tmp_path / "out", ("--backend", digits_server, "--batch-size", "10"))
    done = command.run()
    assert done.status == 1
    lines = command.lines()
    failed = {line["item"]: line["error_message"] for line in lines if line["result"] == "FAILED"}
    assert failed.keys() == {3, 11}
    assert failed[3] == "ValueError: no such thing as 0.003 (customize_service.py:24)"
    assert failed[11].startswith("the model server refuses it: INVALID_ARGUMENT: ")
    assert "30 items: 28 answered, 2 failed" in done.stdout


def test_an_item_that_breaks_the_contract_is_named_with_its_pointer(
    logged_rows: Path, tmp_path: Path, digits_server: str
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"x": 0.5}\n{"x": "much"}\n{"y": 1}\nno JSON\n{"x": 1}')
    command = Command(logged_rows, rows, tmp_path / "out", ("--backend", digits_server))
    assert command.run().status == 1
    reasons = [line.get("error_message") for line in command.lines()]
    assert [reasons[0], reasons[4]] == [None, None]
    assert reasons[1] == "the request breaks the declared contract: /x type"
    assert "/x required" in str(reasons[2])
    assert "rows.jsonl, line 4: not JSON" in str(reasons[3])


def test_a_package_with_its_own_inference_needs_no_model_server(make_package: MakePackage, tmp_path: Path) -> None:
    package = make_package("echo")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"n": {number}}}\n' for number in range(100)))
    command = Command(package, rows, tmp_path / "out", ("--batch-size", "8"))
    assert command.run().status == 0
    assert [line["answer"] for line in command.lines()] == [{"data": {"n": number}} for number in range(100)]


def test_a_package_that_must_have_one_instance_runs_item_by_item(make_package: MakePackage, tmp_path: Path) -> None:
    package = make_package("uses_global")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"seconds": 0}\n' * 20)
    command = Command(package, rows, tmp_path / "out", ("--batch-size", "4", "--workers", "2"))
    assert command.run().status == 0
    assert len(command.lines()) == 20


def test_select_keeps_a_part_of_each_answer(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    flags = ("--backend", digits_server, "--select", "/scores/3", "--format", "npy")
    command = Command(logged_rows, write_rows(12), tmp_path / "out", flags)
    assert command.run().status == 0
    scores = np.load(tmp_path / "out" / "predictions.npy", allow_pickle=False)
    assert scores.shape == (12,)
    assert [line["answer"] for line in command.lines()] == scores.tolist()


def test_the_same_command_again_has_nothing_to_do_and_another_form_needs_no_model_server(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    rows = write_rows(20, faults={5: "raise"})
    command = Command(logged_rows, rows, tmp_path / "out", ("--backend", digits_server))
    log = tmp_path / "log"
    assert command.run(ITEM_LOG=str(log)).status == 1
    assert len(log.read_text().splitlines()) == 20
    again = command.run(ITEM_LOG=str(log))
    assert (again.status, again.stdout.splitlines()[0]) == (1, "20 items: 19 answered, 1 failed")
    other = Command(logged_rows, rows, tmp_path / "out", (*command.flags, "--format", "modelarts"))
    assert other.run(ITEM_LOG=str(log)).status == 1
    assert len(log.read_text().splitlines()) == 20
    manifest = [json.loads(line) for line in (tmp_path / "out/infer-result-0.manifest").read_text().splitlines()]
    assert [entry["result"] for entry in manifest].count("FAILED") == 1
    answer = json.loads((tmp_path / "out" / manifest[0]["inference-loc"]).read_text())
    assert answer == command.lines()[0]["answer"]


def test_quiet_says_nothing(logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str) -> None:
    command = Command(logged_rows, write_rows(5), tmp_path / "out", ("--backend", digits_server, "--quiet"))
    done = command.run()
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--format", "xml"), "must be one of jsonl, modelarts, npy, parquet"),
        (("--batch-size", "0"), "must be a whole number from 1"),
        (("--select", "scores"), "a JSON pointer begins with a slash"),
        (("--tensors", "--field", "x"), "--field is for the hooks"),
        (("--work-dir", "x"), "--work-dir is for an --output that is a URL"),
        (("--ray-address", "x"), "--ray-address is for --engine ray"),
        (("--mapping", "absent.json"), "absent.json: cannot be read"),
        (("--backend", "nowhere"), "--backend nowhere: takes auto"),
        (("--service", "absent.py"), "absent.py: no such file"),
    ],
)
def test_wrong_usage(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    rows = write_rows(3)
    if "--mapping" in flags:
        rows = tmp_path / "rows.csv"
        rows.write_text("1,2\n")
    done = Command(logged_rows, rows, tmp_path / "out", flags).run()
    assert done.status == 2
    assert message in done.stderr
    assert done.stderr.startswith("model-service batch: ")
