"""Fills a Python environment with the adapter: this project and what it needs to run, without TensorFlow.

    python docker/adapter_environment.py ENVIRONMENT SOURCE

``ENVIRONMENT`` is a virtual environment, ``SOURCE`` the root of this project. Of TensorFlow and TensorFlow Serving only
the message modules are taken out of their wheels (10 MB in place of 2 GB); everything else that setup.cfg lists is
installed as usual. The adapter reaches a model server that runs elsewhere. Needs nothing but Python and pip.
"""

from __future__ import annotations

import configparser
import fnmatch
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

# Distributions of which only the message modules are taken.
MESSAGE_DISTRIBUTIONS = ("tensorflow", "tensorflow-serving-api")
MESSAGE_MODULES = (
    "tensorflow/core/*_pb2.py",
    "tensorflow/compiler/xla/*_pb2.py",
    "tensorflow/tsl/*_pb2.py",
    "tensorflow_serving/*_pb2.py",
    "tensorflow_serving/*_pb2_grpc.py",
)
# Only the embedded model server uses it.
NOT_NEEDED = ("grpcio-health-checking",)


def split_requirements(setup_cfg: Path) -> tuple[list[str], list[str]]:
    """Read install_requires of a setup.cfg.

    Returns:
        The requirements to install, and those of which the message modules are taken.
    """
    setup = configparser.ConfigParser(interpolation=None)
    setup.read_string(setup_cfg.read_text(encoding="utf-8"))
    needed, of_messages = [], []
    for line in setup["options"]["install_requires"].split("\n"):
        requirement = line.strip()
        match = re.match(r"[A-Za-z0-9._-]+", requirement)
        if match and match[0] in MESSAGE_DISTRIBUTIONS:
            of_messages.append(requirement)
        elif match and match[0] not in NOT_NEEDED:
            needed.append(requirement)
    return needed, of_messages


def copy_messages(wheels: Path, site_packages: Path) -> int:
    """Take the message modules out of all wheels in a folder; return how many there were."""
    count = 0
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in MESSAGE_MODULES):
                    archive.extract(name, site_packages)
                    count += 1
    return count


def fill(environment: Path, source: Path) -> None:
    """Install everything into a virtual environment."""
    python = environment / "bin" / "python"
    needed, of_messages = split_requirements(source / "setup.cfg")
    _run(python, "-m", "pip", "install", "--no-compile", *needed)
    _run(python, "-m", "pip", "install", "--no-compile", "--no-deps", str(source))
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    place = subprocess.run([str(python), "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as wheels:
        _run(python, "-m", "pip", "download", "--no-deps", "--dest", wheels, *of_messages)
        count = copy_messages(Path(wheels), Path(place))
    print(f"{count} message modules of {', '.join(MESSAGE_DISTRIBUTIONS)} are in {place}")


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True)


def main(argv: Sequence[str]) -> int:
    """Run the script."""
    if len(argv) != 2:
        print("usage: adapter_environment.py ENVIRONMENT SOURCE", file=sys.stderr)
        return 2
    try:
        fill(Path(argv[0]), Path(argv[1]))
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
