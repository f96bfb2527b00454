"""``python -m model_service.model_server``: the embedded tensorflow_model_server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from model_service import __version__
from model_service.errors import ModelServiceError
from model_service.model_server.flags import ServerFlags, parse_flags, usage

EXIT_FAILURE = 255  # the real server returns -1

# gRPC reads them when it is loaded. Its older event loops answer a call with 10 % less CPU; a user's own setting wins.
_GRPC_EXPERIMENTS = ("event_engine_client", "event_engine_listener")
_LOG_FORMAT = "%(asctime)s.%(msecs)03d: %(levelname).1s %(name)s:%(lineno)d] %(message)s"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; return the exit status: 0 after SIGTERM, 255 when it cannot serve."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if "--help" in arguments:
        print(usage())
        return 0
    try:
        flags = parse_flags(arguments)
    except ModelServiceError as error:
        print(f"{error}\n{usage()}", file=sys.stderr)
        return EXIT_FAILURE
    return _run(flags)


def _run(flags: ServerFlags) -> int:
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, datefmt="%Y-%m-%d %H:%M:%S", stream=sys.stderr)
    _choose_event_loops()
    from model_service.model_server import runtime

    if flags.version:
        print(f"TensorFlow ModelServer: {__version__} (embedded)\nTensorFlow Library: {runtime.library_version()}")
        return 0
    from model_service.model_server.server import Server

    try:
        Server(flags).run()
    except ModelServiceError as error:
        print(f"Failed to start server. Error: {error}", file=sys.stderr)
        return EXIT_FAILURE
    return 0


def _choose_event_loops() -> None:
    chosen = list(filter(None, os.environ.get("GRPC_EXPERIMENTS", "").split(",")))
    known = {name.lstrip("-") for name in chosen}
    os.environ["GRPC_EXPERIMENTS"] = ",".join(
        [*chosen, *(f"-{name}" for name in _GRPC_EXPERIMENTS if name not in known)]
    )


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # everything is drained; TensorFlow's own way out takes a second and has been seen to hang
