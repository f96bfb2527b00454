"""``model-service train``: version folders, the child process, and the package made of its model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model_service.author.inspection import inspect_service
from model_service.errors import SettingsError
from model_service.package.layout import find_package
from model_training.cli import train_main
from model_training.completion import TEMPLATE, complete_package
from model_training.errors import TrainingFailed
from model_training.job import BUNDLED_SCRIPTS, find_script, make_version_folder

Trained = Callable[[str], tuple[Path, str]]
SavedModels = Callable[[str], Path]
WriteScript = Callable[[str], Path]


@pytest.fixture(autouse=True)
def no_folders_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("data_url", "train_url", "max_steps"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def script(tmp_path: Path) -> WriteScript:
    """``script(text)`` writes a training script; ``MODEL`` in it is a real trained model, ``TRAIN_URL`` its folder."""

    def write(text: str) -> Path:
        path = tmp_path / "my_training.py"
        prelude = "import os, shutil, sys\nTRAIN_URL = sys.argv[sys.argv.index('--train_url') + 1]\n"
        path.write_text(prelude + textwrap.dedent(text))
        return path

    return write


def copy_model(trained: Trained) -> str:
    """A line of a script that 'trains' by copying a real model."""
    return f"shutil.copytree({str(trained('tf')[0] / 'model')!r}, TRAIN_URL + '/model')\n"


def test_versions_count_up_from_the_highest(tmp_path: Path) -> None:
    root = tmp_path / "new" / "output"
    assert make_version_folder(root) == root / "V0001"
    assert make_version_folder(root) == root / "V0002"
    (root / "V0001").rmdir()
    (root / "V017").mkdir()  # some pages of the documents write three digits
    for name in ("V", "v0099", "V0098.bak", "notes"):
        (root / name).mkdir()
    assert make_version_folder(root) == root / "V0018"


def test_runs_at_the_same_time_get_different_versions(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        folders = list(threads.map(lambda _: make_version_folder(tmp_path), range(64)))
    assert sorted(folder.name for folder in folders) == [f"V{number:04d}" for number in range(1, 65)]


def test_an_output_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match=r"--train_url .*file/sub.*Not a directory"):
        make_version_folder(tmp_path / "file" / "sub")


def test_the_bundled_scripts_are_the_files_in_train() -> None:
    train_folder = Path(__file__).parents[2] / "train"
    for name, file_name in BUNDLED_SCRIPTS.items():
        assert find_script(name).samefile(train_folder / file_name)


def test_train_tf_end_to_end(mnist_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["tf", "--data_url", str(mnist_folder), "--train_url", str(tmp_path), "--max_steps", "11"]
    assert train_main(arguments) == 0
    said = capfd.readouterr().out
    assert said.count("training accuracy is:") == 2  # steps 0 and 10: the script got its own argument
    assert str(tmp_path / "V0001") in said.splitlines()[-1]
    layout = find_package(tmp_path)
    assert layout.model_directory == (tmp_path / "V0001" / "model").resolve()
    assert layout.saved_model_path is not None
    assert layout.service_path is not None
    assert layout.service_path.read_bytes() == (TEMPLATE / "customize_service.py").read_bytes()
    assert layout.config_path is not None
    config = json.loads(layout.config_path.read_text())
    template = json.loads((TEMPLATE / "config.json").read_text())
    assert config["metrics"] == json.loads((tmp_path / "V0001" / "test_metrics.json").read_text())
    assert 0.3 < config["metrics"]["accuracy"] < 1
    assert {**config, "metrics": None} == {**template, "metrics": None}


def test_a_script_is_told_its_folders_and_its_arguments(
    script: WriteScript, trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = script("print(sys.argv[1:], os.environ['data_url'], os.environ['train_url'])\n" + copy_model(trained))
    out = tmp_path / "out"
    extra = ["--rate", "-0.5", "--flag", "--name=a b", "--data", "x", "last"]
    assert train_main([str(path), extra[0], extra[1], "--data_url", "D", f"--train_url={out}", *extra[2:]]) == 0
    version = str(out / "V0001")
    told = ["--train_url", version, "--data_url", "D", *extra]
    assert f"{told} D {version}" in capfd.readouterr().out


def test_the_folders_may_come_from_the_environment(
    script: WriteScript, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("train_url", str(tmp_path / "from_environment"))
    assert train_main([str(script(copy_model(trained)))]) == 0
    assert (tmp_path / "from_environment" / "V0001" / "model" / "config.json").is_file()


def test_a_script_that_fails_is_reported(
    script: WriteScript, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = script("open(TRAIN_URL + '/log.txt', 'w').close()\nsys.exit(3)\n")
    assert train_main([str(path), "--train_url", str(tmp_path / "out")]) == 1
    said = capfd.readouterr().err
    assert f"{path}: exited with status 3" in said
    assert (tmp_path / "out" / "V0001" / "log.txt").exists()  # what it wrote is kept


def test_a_failed_script_that_wrote_nothing_leaves_no_version(script: WriteScript, tmp_path: Path) -> None:
    path = script("os.kill(os.getpid(), 9)\n")
    assert train_main([str(path), "--train_url", str(tmp_path / "out")]) == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_killed_script_is_reported(script: WriteScript, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train_main([str(script("os.kill(os.getpid(), 9)\n")), "--train_url", str(tmp_path)]) == 1
    assert "was ended by SIGKILL" in capfd.readouterr().err


def test_a_script_without_a_model_is_reported(
    script: WriteScript, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train_main([str(script("")), "--train_url", str(tmp_path)]) == 1
    said = capfd.readouterr().err
    assert f"{tmp_path / 'V0001' / 'model' / 'saved_model.pb'}: missing" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name the script first"),
        (["--train_url", "x"], "name the script first"),
        (["nowhere.py"], "nowhere.py: no such script"),
        (["tf", "--train_url", "s3://bucket/x"], "must be a local folder"),
    ],
)
def test_a_wrong_argument_is_told(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train_main(arguments) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_sigterm_reaches_the_script(script: WriteScript, tmp_path: Path) -> None:
    path = script("print('running', flush=True)\nimport time\ntime.sleep(60)\n")
    command = "import sys; from model_training.cli import train_main; sys.exit(train_main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", command, str(path), "--train_url", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(line.strip() == "running" for line in process.stdout)
        started = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "was ended by SIGTERM" in said
    assert time.monotonic() - started < 10


@pytest.fixture
def version(trained: Trained, tmp_path: Path) -> Path:
    """A version folder as the tf script leaves it, before it is a package."""
    folder = tmp_path / "V0001"
    shutil.copytree(trained("tf")[0], folder)
    return folder


def read_config_json(version: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((version / "model" / "config.json").read_text())
    return content


def test_files_the_script_brought_stay(version: Path) -> None:
    (version / "model" / "customize_service.py").write_text("# mine\n")
    (version / "model" / "config.json").write_text("{}")
    lines = complete_package(version)
    assert (version / "model" / "customize_service.py").read_text() == "# mine\n"
    assert (version / "model" / "config.json").read_text() == "{}"
    assert len([line for line in lines if "kept" in line]) == 2


def test_a_service_of_the_scripts_own_gets_no_contract_of_ours(version: Path) -> None:
    (version / "model" / "customize_service.py").write_text("# mine\n")
    lines = complete_package(version)
    config = read_config_json(version)
    assert set(config) == {"model_algorithm", "model_type", "runtime", "metrics"}
    assert any("without a contract" in line for line in lines)


def test_a_model_with_other_tensors_gets_a_starter(tmp_path: Path, saved_model: SavedModels) -> None:
    version = tmp_path / "V0001"
    shutil.copytree(saved_model("half_plus_two"), version / "model")
    lines = complete_package(version)
    assert "class TensorService" in (version / "model" / "customize_service.py").read_text()
    assert "apis" in read_config_json(version)
    assert "metrics" not in read_config_json(version)
    assert len([line for line in lines if line.endswith("written")]) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"accuracy": "high"}', '{"accuracy": NaN}', '{"f1": true}'])
def test_unusable_metrics_are_left_out_and_named(version: Path, content: str) -> None:
    (version / "test_metrics.json").write_text(content)
    lines = complete_package(version)
    assert "metrics" not in read_config_json(version)
    assert any(f"without metrics: {version / 'test_metrics.json'} cannot be used" in line for line in lines)


def test_some_metrics_are_enough(version: Path) -> None:
    (version / "test_metrics.json").write_text('{"accuracy": 1, "loss": 0.1}')
    complete_package(version)
    assert read_config_json(version)["metrics"] == {"accuracy": 1}


def test_a_saved_model_that_is_none_is_reported(version: Path) -> None:
    (version / "model" / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(TrainingFailed, match=r"saved_model\.pb: not a SavedModel"):
        complete_package(version)


def test_the_sample_service_may_run_in_many_instances() -> None:
    traits = inspect_service(TEMPLATE / "customize_service.py")
    assert traits.single_instance_reasons == ()
    assert not traits.has_own_inference


@pytest.mark.parametrize("call", ["train_main(['--help'])", "data_main(['mnist', '--help'])", "data_main(['--help'])"])
def test_help_imports_neither_tensorflow_nor_flask(call: str) -> None:
    program = (
        f"import sys; from model_training.cli import *; status = {call}; "
        "heavy = {'tensorflow', 'flask', 'keras', 'numpy'} & set(sys.modules); sys.exit(f'{status} {heavy}')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "0 set()"
    assert "usage: model-service" in done.stdout
