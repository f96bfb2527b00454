"""Nothing that a check starts outlives it, whatever becomes of the check or of the package."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import TESTS_FOLDER
from tests.processes import child_ids, process_ids

SCRIPT = """
import sys
from pathlib import Path
from model_packaging.check.running.run import run_package
from model_packaging.check.subject import read_subject
print([each.code for each in run_package(read_subject(Path(sys.argv[1]))).findings])
"""
MODULE = "model_packaging.check.running.child"


def wait_for(condition: object, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if callable(condition) and condition():
            return True
        time.sleep(0.05)
    return False


def start(name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(TESTS_FOLDER / "packages" / "running" / name)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_child_ends_when_the_check_is_killed() -> None:
    check = start("never_ends")
    try:
        assert wait_for(lambda: child_ids(check.pid, MODULE))
        children = child_ids(check.pid, MODULE)
    finally:
        check.kill()
        check.communicate(timeout=20)
    assert wait_for(lambda: not set(children) & set(process_ids(MODULE)))


def test_ctrl_c_ends_the_child_too() -> None:
    check = start("never_ends")
    try:
        assert wait_for(lambda: child_ids(check.pid, MODULE))
        children = child_ids(check.pid, MODULE)
        check.send_signal(signal.SIGINT)
        check.communicate(timeout=20)
    finally:
        check.kill()
    assert not set(children) & set(process_ids(MODULE))


def test_what_a_package_prints_stays_out_of_the_output(tmp_path: Path) -> None:
    package = tmp_path / "model"
    package.mkdir()
    source = TESTS_FOLDER / "packages" / "running" / "wrong_key" / "model"
    (package / "config.json").write_bytes((source / "config.json").read_bytes())
    service = (
        (source / "customize_service.py")
        .read_text()
        .replace("        return", "        print('noise')\n        return")
    )
    (package / "customize_service.py").write_text(service)
    check = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (check.stdout, check.stderr) == ("['request-not-answered']\n", "")
