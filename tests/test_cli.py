"""The command: its verbs, its exit statuses, what ``--help`` must not load, and ``predict`` from end to end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model_service import __version__
from model_service.cli import VERBS, main
from model_service.client.local import LocalService, serve_package

_HELP = """
import sys
from model_service.cli import main
try:
    status = main({arguments!r})
except SystemExit as ending:
    status = ending.code
loaded = {{"tensorflow", "flask", "keras", "grpc"}} & set(sys.modules)
sys.exit(f"status {{status}}, loaded {{sorted(loaded)}}" if status or loaded else 0)
"""
_WITH_HELP = [[], *([verb] for verb in VERBS), ["data", "mnist"], ["package", "build"]]


@pytest.mark.parametrize("arguments", _WITH_HELP, ids=" ".join)
def test_help_loads_neither_tensorflow_nor_flask(arguments: list[str]) -> None:
    code = _HELP.format(arguments=[*arguments, "--help"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert "usage: " in done.stdout


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {verb} " in text for verb in VERBS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"model-service {__version__}\n"


def test_unknown_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serf", "p"]) == 2
    assert "unknown verb 'serf'; one of: serve, predict" in capsys.readouterr().err


def test_no_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "verbs:" in capsys.readouterr().out


def test_the_installed_command_hands_its_status_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "model_service.cli"]
    for arguments, status in ((["--version"], 0), (["nope"], 2), (["serve", str(tmp_path / "nowhere")], 2)):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status
        assert "Traceback" not in done.stderr


# predict


@pytest.fixture(scope="module")
def echo(make_package: Any) -> Iterator[LocalService]:
    with serve_package(make_package("echo"), "--backend", "embedded") as service:
        yield service


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    picture = io.BytesIO()
    Image.new("L", (28, 28)).save(picture, "PNG")
    path = tmp_path / "\u4f60 digit.png"
    path.write_bytes(picture.getvalue())
    return path


def answers(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_predict_with_a_url(
    echo: LocalService, digit: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = tmp_path / "question.json"
    question.write_text('{"a": [1, "\u4f60"]}', encoding="utf-8")
    assert main(["predict", echo.url, str(digit), str(question)]) == 0
    size = digit.stat().st_size
    assert answers(capsys) == [
        {"file": str(digit), "status": 200, "answer": {"data": {"images": {digit.name: size}}}},
        {"file": str(question), "status": 200, "answer": {"data": {"a": [1, "\u4f60"]}}},
    ]


def test_predict_with_another_field(echo: LocalService, digit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", echo.url, str(digit), "--field", "photo"]) == 0
    assert list(answers(capsys)[0]["answer"]["data"]) == ["photo"]


def test_predict_says_1_when_some_fail(echo: LocalService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("good.json", "[1]"), ("empty.json", "{}")):
        (tmp_path / name).write_text(text)
    assert main(["predict", echo.url, str(tmp_path / "empty.json"), str(tmp_path / "good.json")]) == 1
    first, second = answers(capsys)
    assert (first["status"], first["answer"]["erno"]) == (400, "MR.0101")
    assert second["status"] == 200
    assert main(["predict", echo.url + "nope", str(tmp_path / "good.json")]) == 1


def test_predict_with_a_package_folder(make_package: Any, digit: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = make_package("digits", "digits")  # its contract names the field
    assert main(["predict", str(package), str(digit), "--backend", "embedded"]) == 0
    (reply,) = answers(capsys)
    assert reply["answer"].keys() == {"predicted_label", "scores"}


@pytest.mark.parametrize(
    ("target", "file", "message"),
    [
        ("http://127.0.0.1:1/", "digit", "http://127.0.0.1:1/: ConnectionRefusedError"),
        ("http://127.0.0.1:99999/", "digit", "http://127.0.0.1:99999/: "),
        ("http://[::1/", "digit", "http://[::1/: "),
        ("http:///x", "digit", "name a host"),
        ("URL", "nowhere.png", "nowhere.png: cannot be read: No such file"),
        ("URL", "broken.json", "broken.json: not JSON"),
        ("URL", "binary.json", "binary.json: not JSON"),
        ("/no/such/package", "digit", "/no/such/package: no such folder"),
    ],
)
def test_predict_that_cannot_run(
    echo: LocalService,
    digit: Path,
    tmp_path: Path,
    target: str,
    file: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\xfa")
    path = digit if file == "digit" else tmp_path / file
    assert main(["predict", echo.url if target == "URL" else target, str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("model-service predict: ")
    assert message in error


@pytest.mark.parametrize(
    "arguments", [["http://x/"], ["http://x/", "f", "--timeout", "0"], ["http://x/", "f", "--nope"]]
)
def test_predict_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict", *arguments])
    assert caught.value.code == 2
