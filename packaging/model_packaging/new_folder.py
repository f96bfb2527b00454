"""Makes a folder whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_service.errors import SettingsError

_PREFIX = ".model-service-unfinished-"


def check_new_folder(output: Path, flag: str = "") -> None:
    """Check that a folder can be made: there is nothing of its name, or an empty folder.

    Args:
        output: the folder.
        flag: what the user gave it with, ``--output``; "": an argument without a flag.

    Raises:
        SettingsError: there is something, which is never overwritten.
    """
    title = f"{flag} {output}".strip()
    try:
        if os.path.lexists(output) and not output.is_dir():
            raise SettingsError(f"{title}: is a file; name a folder.")
        if output.is_dir() and any(output.iterdir()):
            raise SettingsError(f"{title}: is not empty; nothing is ever overwritten. Name another folder.")
    except OSError as error:
        raise SettingsError(f"{title}: cannot be used ({error.strerror})") from error


@contextmanager
def new_folder(output: Path, flag: str = "") -> Iterator[Path]:
    """Make a folder: the block fills the one that it gets, which becomes ``output`` at the end, or goes on an error.

    An empty folder that is there is filled, not exchanged: it may be where somebody stands, or a mount.

    Raises:
        SettingsError: as :func:`check_new_folder`; also for an OSError in the block.
    """
    check_new_folder(output, flag)
    is_there = output.is_dir()
    try:
        place = output if is_there else output.parent
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place, ignore_cleanup_errors=True) as private:
            unfinished = Path(private, "new")
            unfinished.mkdir()
            yield unfinished
            if is_there:
                _fill(output, unfinished)
            else:
                os.replace(unfinished, output)
    except OSError as error:
        named = Path(str(error.filename or output))
        part = next((each for each in (named, *named.parents) if each.name.startswith(_PREFIX)), None)
        shown = named if part is None else output / Path(*named.relative_to(part).parts[1:])
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        raise SettingsError(f"{f'{flag} {output}'.strip()}: cannot be made: {shown}: {reason}") from error


def _fill(output: Path, unfinished: Path) -> None:
    if any(entry != unfinished.parent for entry in output.iterdir()):  # another has filled it meanwhile
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(output))
    for entry in sorted(unfinished.iterdir()):
        os.replace(entry, output / entry.name)
