"""What goes wrong around a run: servers, workers, disks, other runs, inputs that change."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.conftest import Command
from tests.conftest import MakePackage, SavedModels
from tests.processes import child_ids

WriteRows = Callable[..., Path]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


def has_begun(command: Command) -> bool:
    partial = command.output / "predictions.jsonl.partial"
    return partial.exists() and partial.stat().st_size > 0


def test_the_model_server_is_killed_in_the_middle(logged_rows: Path, write_rows: WriteRows, tmp_path: Path) -> None:
    rows = write_rows(300)
    flags = ("--backend", "embedded", "--batch-size", "8")
    command = Command(logged_rows, rows, tmp_path / "out", flags)
    with command.start(ITEM_SECONDS="0.02") as process:
        wait_until(lambda: has_begun(command), "the first batch")
        (server,) = child_ids(process.pid, "model_service.model_server")
        os.kill(server, signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert "300 items: 300 answered, 0 failed" in stdout
    assert "starting it again" in stderr
    calm = Command(logged_rows, rows, tmp_path / "calm", flags)
    assert calm.run().status == 0
    assert calm.lines() == command.lines()


def test_a_remote_model_server_that_does_not_have_the_model(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    flags = ("--backend", digits_server, "--patience", "1", "--model-name", "nobody")
    done = Command(logged_rows, write_rows(4), tmp_path / "out", flags).run()
    assert done.status == 2
    assert f"--backend {digits_server}: no model 'nobody' is ready there after 1 s" in done.stderr


def test_a_model_server_that_stays_away_stops_the_run_which_goes_on_when_it_is_back(
    logged_rows: Path, write_rows: WriteRows, saved_model: SavedModels, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory() as short:
        (Path(short) / "model").mkdir()
        (Path(short) / "model" / "1").symlink_to(saved_model("digits"))
        program = [sys.executable, "-m", "model_service.model_server", "--port=0", "--model_name=serve"]
        server = [*program, f"--grpc_socket_path={short}/socket", f"--model_base_path={short}/model"]
        quiet = subprocess.DEVNULL
        flags = ("--backend", f"unix:{short}/socket", "--batch-size", "8", "--workers", "1")
        command = Command(logged_rows, write_rows(300), tmp_path / "out", (*flags, "--patience", "1"))
        log = tmp_path / "log"
        with subprocess.Popen(server, stdout=quiet, stderr=quiet) as first:
            wait_until((Path(short) / "socket").exists, "the model server")
            with command.start(ITEM_SECONDS="0.01", ITEM_LOG=str(log)) as process:
                wait_until(lambda: has_begun(command), "the first batch")
                first.kill()
                _, stderr = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "the model server was not reachable for 1 s (--patience)" in stderr
        assert "Traceback" not in stderr
        with subprocess.Popen(server, stdout=quiet, stderr=quiet) as second:
            done = Command(command.package, command.input, command.output, flags).run(ITEM_LOG=str(log))
            second.kill()
    assert done.status == 0, done.stderr
    assert "going on after" in done.stderr
    assert [line["item"] for line in command.lines()] == list(range(300))
    assert {line["result"] for line in command.lines()} == {"SUCCESSFUL"}


def test_a_worker_that_is_killed_costs_nothing(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    rows = write_rows(300)
    flags = ("--backend", digits_server, "--batch-size", "8")
    command = Command(logged_rows, rows, tmp_path / "out", flags)
    with command.start(ITEM_SECONDS="0.02") as process:
        wait_until(lambda: has_begun(command), "the first batch")
        os.kill(child_ids(process.pid, "model_service.batch.worker")[0], signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert "300 items: 300 answered, 0 failed" in stdout
    assert "was ended by SIGKILL" in stderr
    calm = Command(logged_rows, rows, tmp_path / "calm", flags)
    assert calm.run().status == 0
    assert calm.lines() == command.lines()


def test_an_item_that_ends_its_process_is_found_and_fails_alone(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    rows = write_rows(12, faults={5: "crash"})
    command = Command(logged_rows, rows, tmp_path / "out", ("--backend", digits_server, "--batch-size", "4"))
    done = command.run()
    assert done.status == 1
    failed = {line["item"]: line["error_message"] for line in command.lines() if line["result"] == "FAILED"}
    assert failed == {5: "the worker process was ended by SIGSEGV while it worked on this item"}


def test_the_disk_is_full_and_then_it_is_not(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    """A limit on the size of files stands for a full disk: the kernel refuses the write in the same place."""
    rows = write_rows(200)
    flags = ("--backend", digits_server, "--batch-size", "8")
    command = Command(logged_rows, rows, tmp_path / "out", flags)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from model_service.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["batch", str(logged_rows), "--input", str(rows), "--output", str(command.output), *flags]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "cannot be written: File too large. What is finished so far is kept" in done.stderr
    assert "Traceback" not in done.stderr
    log = tmp_path / "log"
    assert command.run(ITEM_LOG=str(log)).status == 0
    assert 0 < len(log.read_text().splitlines()) < 200
    assert [line["item"] for line in command.lines()] == list(range(200))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_destination_that_may_not_be_written(logged_rows: Path, write_rows: WriteRows, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    done = Command(logged_rows, write_rows(3), tmp_path / "closed" / "out").run()
    assert done.status == 2
    assert "cannot be written: Permission denied" in done.stderr


def test_a_destination_that_cannot_be_a_folder(logged_rows: Path, write_rows: WriteRows, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Command(logged_rows, write_rows(3), tmp_path / "file" / "out").run()
    assert done.status == 2
    assert re.search(r"--output .*/file/out: cannot be (written|read): Not a directory", done.stderr)
    done = Command(logged_rows, write_rows(3), Path("/proc/out")).run()
    assert done.status == 2
    assert "cannot be written: No such file or directory" in done.stderr


def test_a_destination_that_holds_something_else(logged_rows: Path, write_rows: WriteRows, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("")
    done = Command(logged_rows, write_rows(3), tmp_path / "out").run()
    assert done.status == 2
    assert "holds files that are no output of a batch run" in done.stderr


def test_an_input_that_vanishes_between_listing_and_reading(
    make_package: MakePackage, tmp_path: Path, digits_server: str
) -> None:
    from PIL import Image

    package = make_package("digits", model="digits")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(60):
        Image.new("L", (28, 28), number).save(folder / f"{number:03}.png")
    script = tmp_path / "remover.py"
    # The package's own service, which removes a file that is still to come.
    service = (package / "model" / "customize_service.py").read_text()
    script.write_text(
        f"import os\n{service}\ntry:\n    os.unlink({str(folder / '059.png')!r})\nexcept OSError:\n    pass\n"
    )
    flags = ("--backend", digits_server, "--batch-size", "8", "--service", str(script))
    command = Command(package, folder, tmp_path / "out", flags)
    done = command.run()
    assert done.status == 1
    lines = command.lines()
    assert len(lines) == 60
    assert [line["item"] for line in lines if line["result"] == "FAILED"] == [59]
    assert lines[59]["error_message"] == "059.png: cannot be read: No such file or directory"


def test_a_second_run_on_the_same_destination_is_refused_while_one_works(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    command = Command(logged_rows, write_rows(300), tmp_path / "out", ("--backend", digits_server))
    with command.start(ITEM_SECONDS="0.05") as process:
        wait_until(lambda: (command.output / ".model-service-batch" / "journal.jsonl").exists(), "the journal")
        second = command.run()
        assert second.status == 2
        assert f"another run (process {process.pid}) is working on it" in second.stderr
        process.kill()
    assert command.run().status == 0


def test_another_run_in_the_same_destination_is_refused_and_restart_throws_it_away(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    flags = ("--backend", digits_server)
    assert Command(logged_rows, write_rows(5), tmp_path / "out", (*flags, "--format", "modelarts")).run().status == 0
    rows = write_rows(6)
    other = Command(logged_rows, rows, tmp_path / "out", (*flags, "--batch-size", "3"))
    refused = other.run()
    assert refused.status == 2
    assert "--batch-size was 64, is 3" in refused.stderr
    assert "number of items was 5, is 6" in refused.stderr
    assert "--restart" in refused.stderr
    again = Command(logged_rows, rows, tmp_path / "out", (*other.flags, "--restart"))
    assert again.run().status == 0
    assert len(again.lines()) == 6
    assert sorted(path.name for path in again.output.iterdir()) == [".model-service-batch", "predictions.jsonl"]


def test_a_changed_package_is_another_run(
    make_package: MakePackage, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    package = make_package("logged_rows", model="digits")
    command = Command(package, write_rows(5), tmp_path / "out", ("--backend", digits_server))
    assert command.run().status == 0
    with (package / "model" / "customize_service.py").open("a") as service:
        service.write("\n# changed\n")
    refused = command.run()
    assert refused.status == 2
    assert "the package was" in refused.stderr


def test_too_many_failures_stop_the_run_and_a_higher_limit_goes_on(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    rows = write_rows(100, faults=dict.fromkeys(range(0, 100, 10), "raise"))
    flags = ("--backend", digits_server, "--batch-size", "10")
    stopped = Command(logged_rows, rows, tmp_path / "out", (*flags, "--max-failures", "3")).run()
    assert stopped.status == 1
    assert "stopped: 4 items have failed, --max-failures is 3" in stopped.stderr
    log = tmp_path / "log"
    going_on = Command(logged_rows, rows, tmp_path / "out", (*flags, "--max-failures", "10"))
    done = going_on.run(ITEM_LOG=str(log))
    assert done.status == 1
    assert "100 items: 90 answered, 10 failed" in done.stdout
    assert len(log.read_text().splitlines()) == 60
    assert "going on after 40 of 100 items" in done.stderr


@pytest.mark.parametrize("fault", ["import_error", "no_class", "syntax_error"])
def test_a_package_that_cannot_be_loaded(
    make_package: MakePackage, write_rows: WriteRows, tmp_path: Path, digits_server: str, fault: str
) -> None:
    package = make_package(fault, model="digits")
    command = Command(package, write_rows(3), tmp_path / "out", ("--backend", digits_server))
    with command.start() as process:  # what fails in the package is logged with the author's traceback
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert re.search(r"^model-service batch: .*customize_service\.py", stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, "no such file"),
        ("empty.jsonl", b"", "there is nothing in it"),
        ("what.txt", b"x", "must be a folder, a pattern, or a file called"),
        ("bad.npy", b"no array", "neither an IDX nor an .npy file"),
    ],
)
def test_an_input_that_cannot_be_one(
    logged_rows: Path, tmp_path: Path, digits_server: str, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = Command(logged_rows, tmp_path / name, tmp_path / "out", ("--backend", digits_server)).run()
    assert done.status == 2
    assert message in done.stderr


def test_a_torn_journal_and_lost_results_are_computed_again(
    logged_rows: Path, write_rows: WriteRows, tmp_path: Path, digits_server: str
) -> None:
    """After a power cut the end of a file may be missing, or be zeros."""
    rows = write_rows(80)
    flags = ("--backend", digits_server, "--batch-size", "8")
    whole = Command(logged_rows, rows, tmp_path / "whole", flags)
    assert whole.run().status == 0
    command = Command(logged_rows, rows, tmp_path / "out", flags)
    assert command.run().status == 0
    journal = command.output / ".model-service-batch" / "journal.jsonl"
    records = journal.read_bytes().splitlines(keepends=True)
    partial = command.output / "predictions.jsonl.partial"
    (command.output / "predictions.jsonl").rename(partial)
    end = json.loads(records[7])["ends"]["predictions.jsonl"]
    journal.write_bytes(b"".join(records[:8]) + records[8][:20])
    with partial.open("r+b") as file:  # batch 6 is zeros, what follows is gone
        file.truncate(end - 100)
        file.truncate(end)
    log = tmp_path / "log"
    assert command.run(ITEM_LOG=str(log)).status == 0
    assert len(log.read_text().splitlines()) == 80 - 6 * 8
    assert (command.output / "predictions.jsonl").read_bytes() == (whole.output / "predictions.jsonl").read_bytes()
