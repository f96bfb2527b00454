"""Warm-up requests for a package: samples that have been through its ``_preprocess``, recorded beside its model.

TensorFlow Serving replays them before it serves a version, so that the first callers need not wait.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from model_packaging.errors import BuildRefused
from model_service.errors import SettingsError

WARMUP_PATH = Path("assets.extra", "tf_serving_warmup_requests")
MAX_RECORDS = 1000  # TensorFlow Serving reads no more

_SECONDS = 600


def sample_files(folder: Path) -> list[Path]:
    """Return the files of a folder of samples, however deep, hidden ones left out; sorted.

    Raises:
        SettingsError: it is no folder, or holds no file, or too many.
    """
    if not folder.is_dir():
        raise SettingsError(
            f"--warmup-samples {folder}: must be a folder with files to send, or with JSON bodies (.json)"
        )
    files = sorted(
        path.resolve()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise SettingsError(f"--warmup-samples {folder}: there are no files in it")
    if len(files) > MAX_RECORDS:
        raise SettingsError(
            f"--warmup-samples {folder}: holds {len(files):,} files; at most {MAX_RECORDS:,} are replayed"
        )
    return files


def write_warmup_requests(model_directory: Path, samples: Path) -> int:
    """Record one request for each sample, in a process of its own, and write them into ``model_directory``.

    Args:
        model_directory: ``model/`` of a complete package; its ``assets.extra/tf_serving_warmup_requests`` is replaced.
        samples: a folder of files for the contract's file field, or of ``.json`` files, which are whole bodies.

    Returns:
        How many were recorded.

    Raises:
        SettingsError: the samples cannot be used.
        BuildRefused: a sample does not get as far as the model; the message names it and says why.
    """
    files = sample_files(samples)
    with tempfile.TemporaryDirectory(prefix="model-service-warmup-", ignore_cleanup_errors=True) as folder:
        order, result = Path(folder, "order.json"), Path(folder, "result.json")
        order.write_text(
            json.dumps(
                {
                    "package": str(model_directory.resolve()),
                    "samples": [str(file) for file in files],
                    "output": str((model_directory / WARMUP_PATH).resolve()),
                    "run_root": str(Path(folder, "run")),
                }
            ),
            encoding="ascii",
        )
        command = [sys.executable, "-m", "model_packaging.warmup_recorder", str(order), str(result)]
        try:
            status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False).returncode
        except subprocess.TimeoutExpired as error:
            raise BuildRefused(f"--warmup-samples {samples}: not done after {_SECONDS} s") from error
        if not result.exists():
            raise BuildRefused(
                f"--warmup-samples {samples}: the process that ran _preprocess ended with status {status}"
            )
        problem: str | None = json.loads(result.read_text(encoding="utf-8"))
    if problem is not None:
        raise BuildRefused(problem)
    return len(files)


def add_warmup_requests(model_directory: Path, samples: Path) -> list[str]:
    """As :func:`write_warmup_requests`; return a line that says what was done."""
    count = write_warmup_requests(model_directory, samples)
    return [f"{model_directory / WARMUP_PATH}: {count} requests from {samples}"]
