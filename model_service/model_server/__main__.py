"""``python -m model_service.model_server``: the embedded tensorflow_model_server."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from model_service.errors import ModelServiceError
from model_service.model_server.flags import parse_flags, usage

EXIT_FAILURE = 255  # the real server returns -1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--help" in arguments:
        print(usage())
        return 0
    try:
        flags = parse_flags(arguments)
    except ModelServiceError as error:
        print(f"{error}\n{usage()}", file=sys.stderr)
        return EXIT_FAILURE
    if flags.version:
        from model_service import __version__

        print(f"TensorFlow ModelServer: embedded {__version__}")
        return 0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    from model_service.model_server.server import run

    try:
        return run(flags)
    except ModelServiceError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILURE


if __name__ == "__main__":
    sys.exit(main())
