"""``model-service package archive``: the same bytes every time, and taken by every command that takes a package."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_packaging.cli import main
from model_service.client import Client
from model_service.client.cli import main as predict
from model_service.client.local import serve_package
from model_service.package.archive import unpack, verify
from model_service.package.manifest import MANIFEST_NAME
from tests.conftest import MakePackage

DIGIT = Path(__file__).parents[1] / "data" / "digit.png"
Archive = Callable[..., int]


@pytest.fixture
def package(make_package: MakePackage) -> Path:
    """A package of its own, with a SavedModel."""
    return make_package("digits", "digits")


@pytest.fixture
def archive(package: Path, tmp_path: Path) -> Archive:
    """``archive(*flags, package=..., output=...)`` runs the command."""

    def run(*flags: str, package: Path = package, output: Path = tmp_path / "digits.tar.gz") -> int:
        return main(["archive", str(package), "--output", str(output), *flags])

    return run


@pytest.fixture
def runs() -> Iterator[Path]:
    """An empty folder whose path is short enough for sockets below it."""
    with tempfile.TemporaryDirectory(prefix="runs-") as folder:
        yield Path(folder)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.removeprefix("model-service package archive: ").strip()


def test_the_same_bytes_whenever_and_wherever(archive: Archive, package: Path, tmp_path: Path) -> None:
    assert archive() == 0
    first = (tmp_path / "digits.tar.gz").read_bytes()
    other = tmp_path / "elsewhere" / "model"
    other.mkdir(parents=True)
    for path in sorted((package / "model").rglob("*"), reverse=True):  # another order, other times and permissions
        if path.is_file():
            target = other / path.relative_to(package / "model")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            target.chmod(0o600)
            os.utime(target, (1, 1))
    environment = {**os.environ, "TZ": "Asia/Shanghai", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "model_service.cli", "package", "archive", str(other.parent)]
    second = tmp_path / "second.tar.gz"
    subprocess.run([*command, "--output", str(second)], env=environment, timeout=60, check=True, umask=0o077)
    assert second.read_bytes() == first


def test_what_the_manifest_says(archive: Archive, package: Path, tmp_path: Path) -> None:
    version = tmp_path / "training" / "V0003"
    version.mkdir(parents=True)
    shutil.move(package / "model", version)
    (version / "test_metrics.json").write_text('{"accuracy": 0.9}')
    assert archive(package=tmp_path / "training") == 0
    with tarfile.open(tmp_path / "digits.tar.gz") as tar:
        assert tar.getnames()[0] == MANIFEST_NAME
        content = tar.extractfile(MANIFEST_NAME)
        assert content is not None
        manifest = json.load(content)
    model = version / "model"
    for path, entry in manifest["files"].items():
        data = (version / path).read_bytes()
        assert entry == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert len(manifest["files"]) == sum(path.is_file() for path in model.rglob("*"))
    assert manifest["training"] == {"version": "V0003", "test_metrics": {"accuracy": 0.9}}
    assert manifest["signature"]["inputs"] == {"images": {"dtype": "float32", "shape": [None, 784]}}
    assert manifest["tensorflow_version"].startswith("2.")
    assert (manifest["format"], manifest["format_version"]) == ("model-service-package", 1)


def test_junk_is_left_out_links_are_followed_and_scripts_stay_scripts(
    archive: Archive, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = package / "model"
    for name in ("__pycache__/helper.pyc", ".git/HEAD", "notes.txt~", ".config.json.swp"):
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("junk")
    (model / "data").mkdir()
    (model / "data" / "labels.txt").write_text("one\n")
    (model / "labels.txt").symlink_to("data/labels.txt")
    (model / "again").symlink_to("data")
    (model / "tool.sh").write_text("#!/bin/sh\n")
    (model / "tool.sh").chmod(0o700)
    assert archive() == 0
    printed = capsys.readouterr().out
    for name in ("__pycache__", ".git", "notes.txt~", ".config.json.swp"):
        assert f"left out: model/{name}\n" in printed
    there = unpack(tmp_path / "digits.tar.gz", tmp_path / "there") / "model"
    found = {path.relative_to(there).as_posix() for path in there.rglob("*")}
    assert {"labels.txt", "again/labels.txt", "data/labels.txt", "tool.sh"} <= found
    assert not {"__pycache__", ".git", "notes.txt~", ".config.json.swp"} & found
    assert not any(path.is_symlink() for path in there.rglob("*"))
    assert (there / "tool.sh").stat().st_mode & stat.S_IXUSR
    assert not (there / "config.json").stat().st_mode & stat.S_IXUSR


def link(path: Path, target: str) -> None:
    path.symlink_to(target)


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link out": (lambda model: link(model / "x", "/etc/hostname"), "x: is a link to /etc/hostname, which is not in"),
    "a link up": (lambda model: link(model / "x", ".."), "which is not in the package; put a copy in its place"),
    "a dead link": (lambda model: link(model / "x", "nowhere"), "x: is a link that leads nowhere"),
    "a link to itself": (lambda model: link(model / "x", "x"), "x: is a link that leads nowhere"),
    "a circle": (lambda model: link(model / "variables" / "x", "../variables"), "links back to"),
    "the whole": (lambda model: link(model / "x", "."), "links back to"),
    "a pipe": (lambda model: os.mkfifo(model / "x"), "x: is no ordinary file"),
    "a socket": (lambda model: listen(model / "x"), "x: is no ordinary file"),
    "a name that clashes": (
        lambda model: (model / "CONFIG.json").write_text("{}"),
        "model/config.json: is the same as model/CONFIG.json where case does not count",
    ),
    "a name with a line break": (
        lambda model: (model / "a\nb").write_text(""),
        "has a backslash or a control character",
    ),
    "a name in no encoding": (
        lambda model: Path(os.fsdecode(os.fsencode(model) + b"/\xff")).write_text(""),
        "its name is not UTF-8; rename it",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_be_archived(
    case: str, archive: Archive, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = UNFIT[case]
    make(package / "model")
    assert archive() == 2
    assert message in said(capsys)
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_not_overwritten(
    archive: Archive, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert archive() == 0
    assert archive() == 0
    assert "bytes, unchanged\n" in capsys.readouterr().out
    before = (tmp_path / "digits.tar.gz").read_bytes()
    (package / "model" / "labels.txt").write_text("more")
    assert archive() == 2
    assert "is there already, and is another file; --force replaces it" in said(capsys)
    assert (tmp_path / "digits.tar.gz").read_bytes() == before
    assert archive("--force") == 0
    assert "model/labels.txt" in {file.path for file in verify(tmp_path / "digits.tar.gz").manifest.files}
    assert [path.name for path in tmp_path.iterdir()] == ["digits.tar.gz"]


def test_outputs_that_cannot_be(
    archive: Archive, package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for output, message in (
        (tmp_path, "is a folder; name a file"),
        (tmp_path / "nowhere" / "x.tar.gz", "there is no folder"),
        (package / "model" / "x.tar.gz", "lies in the package"),
        (Path("/dev/null"), "is no ordinary file"),
        (Path("/proc/x.tar.gz"), "nothing was written"),
    ):
        assert archive(output=output) == 2
        assert message in said(capsys)
    assert archive(package=tmp_path) == 2
    assert "no package here" in said(capsys)
    assert archive() == 0
    assert archive(package=tmp_path / "digits.tar.gz") == 2
    assert "is a file; name the folder of a package" in said(capsys)


def test_the_default_name(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, name in (("ocr", "ocr"), ("runs/V0007", "runs-V0007")):
        shutil.copytree(package, tmp_path / folder)
        for path in (tmp_path / folder, tmp_path / folder / "model"):
            assert main(["archive", str(path)]) == 0
            (tmp_path / f"{name}.tar.gz").unlink()


def test_archived_copied_served_and_asked(
    archive: Archive, tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert archive() == 0
    (tmp_path / "other").mkdir()
    copy = Path(shutil.move(tmp_path / "digits.tar.gz", tmp_path / "other" / "copy.tgz"))
    monkeypatch.setenv("TMPDIR", str(runs))
    with serve_package(copy, "--backend", "embedded") as service, Client(service.url) as client:
        assert set(client.predict(files={"images": DIGIT})) == {"predicted_label", "scores"}
        assert f"serves {copy}" in service.log_text()
    assert list(runs.iterdir()) == []
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    for command in (["serve", str(copy), "--port", "0"], ["predict", str(copy), str(DIGIT)]):
        done = subprocess.run(
            [sys.executable, "-m", "model_service.cli", *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert "has been changed or damaged" in done.stderr
        assert done.stderr.count("\n") == 1
    assert list(runs.iterdir()) == []


def test_a_signal_while_an_archive_is_unpacked_leaves_nothing(
    archive: Archive, package: Path, tmp_path: Path, runs: Path
) -> None:
    with (package / "model" / "large.bin").open("wb") as file:
        file.truncate(150 << 20)
    assert archive() == 0
    command = [sys.executable, "-m", "model_service.cli", "serve", str(tmp_path / "digits.tar.gz"), "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(runs)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not any(runs.rglob("large.bin")):
            assert time.monotonic() < deadline
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, printed = process.communicate(timeout=60)
    assert (process.returncode, printed) == (0, "model-service: stopped before it served\n")
    assert list(runs.iterdir()) == []


def test_predict_takes_an_archive(
    make_package: MakePackage,
    archive: Archive,
    tmp_path: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert archive(package=make_package("echo")) == 0
    monkeypatch.setenv("TMPDIR", str(runs))
    monkeypatch.setattr(tempfile, "tempdir", None)
    request = tmp_path / "request.json"
    request.write_text('{"a": 1}')
    capsys.readouterr()
    assert predict([str(tmp_path / "digits.tar.gz"), str(request)]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == {"data": {"a": 1}}
    assert list(runs.iterdir()) == []


def test_a_batch_run_goes_on_after_the_archive_was_unpacked_anew(
    make_package: MakePackage, tmp_path: Path, runs: Path
) -> None:
    archive = tmp_path / "rows.tar.gz"
    assert main(["archive", str(make_package("sleeps")), "--output", str(archive)]) == 0
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"seconds": 0.02}) + "\n" for _ in range(60)))
    output = tmp_path / "out"
    command = [sys.executable, "-m", "model_service.cli", "batch", str(archive), "--input", str(rows)]
    command += ["--output", str(output), "--batch-size", "1", "--workers", "1", "--quiet"]
    environment = {**os.environ, "TMPDIR": str(runs)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not any(output.rglob("*.jsonl*")) or not sum(path.stat().st_size for path in output.rglob("*.jsonl*")):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=60)
    assert process.returncode == 2, printed
    assert "run the same command again to go on" in printed
    assert list(runs.iterdir()) == []
    subprocess.run(command, env=environment, timeout=90, check=True)
    lines = (output / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 60
    assert list(runs.iterdir()) == []
