"""The folder a package believes to live in (design D7).

``model/1`` is the package's ``model/``, and its files also lie at the top, as links. The folder itself is writable
and is the working directory; the package is not copied and not written to.
"""

from __future__ import annotations

from pathlib import Path

VERSION_NAME = "1"


def make_run_folder(run_folder: Path, model_directory: Path) -> Path:
    """Fill ``run_folder``, which must not exist yet, and return the path of its ``model/1``."""
    base = run_folder / "model"
    base.mkdir(parents=True, mode=0o700)
    version = base / VERSION_NAME
    version.symlink_to(model_directory, target_is_directory=True)
    for entry in model_directory.iterdir():
        link = run_folder / entry.name
        if not link.exists():
            link.symlink_to(entry)
    return version
