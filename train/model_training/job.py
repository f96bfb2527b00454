"""One run of a training script: a version folder of its own, a child process, its exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from model_service.errors import SettingsError
from model_service.package.layout import VERSION_FOLDER
from model_training.errors import TrainingFailed

BUNDLED_SCRIPTS = {"tf": "train_mnist_tf.py", "keras": "train_mnist_keras.py"}
_SECONDS_TO_STOP = 10.0


def find_script(name: str) -> Path:
    """Return the path of a script: ``tf`` and ``keras`` are ours, anything else is a file.

    Raises:
        SettingsError: there is no such file.
    """
    if name in BUNDLED_SCRIPTS:
        return _bundled_script(BUNDLED_SCRIPTS[name])
    path = Path(name)
    if not path.is_file():
        raise SettingsError(f"{path}: no such script. Name a Python file, or one of: {', '.join(BUNDLED_SCRIPTS)}")
    return path


def _bundled_script(file_name: str) -> Path:
    here = Path(__file__).parent
    # An installed wheel has the scripts in scripts/; in the repository they lie beside this package, in train/.
    for folder in (here / "scripts", here.parent):
        if (folder / file_name).is_file():
            return folder / file_name
    raise SettingsError(f"{here / 'scripts' / file_name}: missing; install tf-model-service again")


def make_version_folder(train_url: Path) -> Path:
    """Make ``train_url/V0001`` or, if there are versions, the number after the highest; no number is used twice.

    Raises:
        SettingsError: the folder cannot be made.
    """
    try:
        train_url.mkdir(parents=True, exist_ok=True)
        while True:
            matches = (VERSION_FOLDER.fullmatch(entry.name) for entry in train_url.iterdir())
            numbers = [int(match[1]) for match in matches if match]
            folder = train_url / f"V{max(numbers, default=0) + 1:04d}"
            try:
                folder.mkdir()
            except FileExistsError:  # another run took the number since we looked
                continue
            return folder
    except OSError as error:
        raise SettingsError(
            f"--train_url {train_url}: {error.filename} cannot be used ({error.strerror}). Name another folder."
        ) from error


def run_script(script: Path, arguments: Sequence[str], data_url: str | None, version_folder: Path) -> None:
    """Run a training script to its end; its output goes where ours goes.

    The script learns the two folders as ``--data_url`` and ``--train_url``, and as environment variables of the same
    names. A SIGTERM to us is passed on.

    Raises:
        TrainingFailed: it did not exit with status 0.
    """
    folders = {"train_url": str(version_folder)} | ({"data_url": data_url} if data_url is not None else {})
    flags = [part for name, value in folders.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-u", str(script), *flags, *arguments]
    child = subprocess.Popen(command, env={**os.environ, **folders})

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    previous = signal.signal(signal.SIGTERM, pass_on)
    try:
        status = _wait(child)
    finally:
        signal.signal(signal.SIGTERM, previous)
    if status != 0:
        raise TrainingFailed(f"{script}: {_describe(status)}. What it wrote before is in {version_folder}")


def _wait(child: subprocess.Popen[bytes]) -> int:
    try:
        return child.wait()
    except KeyboardInterrupt:  # the terminal has told the child too
        try:
            return child.wait(_SECONDS_TO_STOP)
        except (KeyboardInterrupt, subprocess.TimeoutExpired):
            child.kill()
            return child.wait()


def _describe(status: int) -> str:
    if status > 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
