"""``tensorflow.ProfilerService``: traces of TensorFlow's runtime, asked for by TensorFlow's own profiler clients.

The real server writes where the client says. Here a client never names a file: a trace goes to the folder of
``--profiler_log_dir``, or nowhere but into the reply.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model_service.model_server.own_messages import ProfileResponse
from model_service.model_server.status import Code, ServingError

_log = logging.getLogger(__name__)

_MAX_SECONDS = 60.0
_LOOK_SECONDS = 0.1  # between looks whether the client still waits
_MAX_REPLY_BYTES = 64 << 20
_SUFFIX = ".xplane.pb"


class Profiler:
    """Takes traces, one at a time.

    Args:
        log_directory: where traces are kept, in the layout that TensorBoard reads; empty: they are not kept.
    """

    def __init__(self, log_directory: str):
        self._log_directory = log_directory
        self._lock = threading.Lock()
        self._end = threading.Event()

    def profile(self, request: Any, is_wanted: Callable[[], bool]) -> Any:
        """Take a trace; answer a ProfileRequest when it is there.

        Args:
            request: the request; its duration is cut at 60 s.
            is_wanted: asked now and then whether the caller still waits.

        Raises:
            ServingError: another one is being taken, or it cannot be written.
        """
        if not self._lock.acquire(blocking=False):
            raise ServingError(Code.ALREADY_EXISTS, "Another profiling session is active; try again when it is over")
        try:
            self._end.clear()
            # TensorFlow's profiler never starts again once it has failed to write: it writes where nothing can fail.
            with tempfile.TemporaryDirectory(prefix="model-server-profile-") as folder:
                self._trace(folder, min(request.duration_ms / 1000, _MAX_SECONDS), is_wanted)
                if not self._log_directory:
                    return _reply(Path(folder))
                _copy_files(Path(folder), Path(self._log_directory))
                return ProfileResponse(empty_trace=False)
        except OSError as error:
            _log.error("the trace cannot be written: %s", error)
            raise ServingError(
                Code.FAILED_PRECONDITION, "the trace cannot be written to --profiler_log_dir; the server's log says why"
            ) from error
        finally:
            self._lock.release()

    def terminate(self, content: bytes) -> bytes:
        """End the trace that is being taken."""
        self._end.set()
        return b""

    def _trace(self, folder: str, seconds: float, is_wanted: Callable[[], bool]) -> None:
        from tensorflow.python.profiler import profiler_v2  # 0.1 s that only a profile needs

        _log.info("profiling for %.1f s", seconds)
        profiler_v2.start(folder)
        try:
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0 and is_wanted():
                if self._end.wait(min(left, _LOOK_SECONDS)):
                    break
        finally:
            profiler_v2.stop()


def _copy_files(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def _reply(folder: Path) -> Any:
    response = ProfileResponse()
    for path in folder.rglob(f"*{_SUFFIX}"):
        if path.stat().st_size <= _MAX_REPLY_BYTES:
            response.tool_data.add(name=_SUFFIX.removeprefix("."), data=path.read_bytes())
    response.empty_trace = not response.tool_data
    return response
