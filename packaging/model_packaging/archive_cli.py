"""``model-service package archive``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from model_service.package.manifest import shown

_MOST_SHOWN = 10


def main(argv: Sequence[str]) -> int:
    """Write an archive; 0: it is there.

    Raises:
        ModelServiceError: it cannot be written, and is not there.
        SystemExit: ``--help``, or a usage error.
    """
    parser = argparse.ArgumentParser(
        prog="model-service package archive",
        description="Write a package into one .tar.gz with a manifest of SHA-256 digests. serve, predict, batch and "
        "check take it wherever they take a package, and refuse it if a byte of it has changed. The same package gives "
        "the same bytes, whenever and wherever it is archived.",
        allow_abbrev=False,
    )
    parser.add_argument("package", type=Path, help="folder that holds model/, model/ itself, or a training output")
    parser.add_argument("--output", type=Path, metavar="FILE", help="file to write (default: NAME.tar.gz, here)")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there and differs")
    arguments = parser.parse_args(argv)
    from model_packaging.archive import write_archive

    written = write_archive(arguments.package, arguments.output, force=arguments.force)
    for path in written.left_out[:_MOST_SHOWN]:
        print(f"left out: {shown(path)}")
    if len(written.left_out) > _MOST_SHOWN:
        print(f"left out: {len(written.left_out) - _MOST_SHOWN} more of the kind")
    manifest = written.manifest
    state = "" if written.is_new else ", unchanged"
    print(f"{shown(str(written.path))}: {len(manifest.files)} files, {written.size_bytes:,} bytes{state}")
    print(f"contents: sha256 {written.contents_sha256}")
    return 0
