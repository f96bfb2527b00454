"""``tensorflow.ProfilerService``: traces of TensorFlow's runtime, asked for by TensorFlow's own profiler clients.

The real server writes where the client says. Here a client never names a file: a trace goes to the folder of
``--profiler_log_dir``, or nowhere but into the reply.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from pathlib import Path
from typing import Any

from model_service.model_server.own_messages import ProfileResponse
from model_service.model_server.status import Code, ServingError

_log = logging.getLogger(__name__)

_MAX_SECONDS = 60.0
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

    def profile(self, request: Any) -> Any:
        """Take a trace; answer a ProfileRequest when it is there.

        Raises:
            ServingError: another one is being taken, or it cannot be written.
        """
        if not self._lock.acquire(blocking=False):
            raise ServingError(Code.ALREADY_EXISTS, "Another profiling session is active; try again when it is over")
        try:
            self._end.clear()
            seconds = min(request.duration_ms / 1000, _MAX_SECONDS)
            if self._log_directory:
                self._trace(self._log_directory, seconds)
                return ProfileResponse(empty_trace=False)
            with tempfile.TemporaryDirectory(prefix="model-server-profile-") as folder:
                self._trace(folder, seconds)
                return _reply(Path(folder))
        except OSError as error:
            raise ServingError(Code.FAILED_PRECONDITION, f"the trace cannot be written: {error}") from error
        finally:
            self._lock.release()

    def terminate(self, content: bytes) -> bytes:
        """End the trace that is being taken."""
        self._end.set()
        return b""

    def _trace(self, folder: str, seconds: float) -> None:
        from tensorflow.python.profiler import profiler_v2  # 0.1 s that only a profile needs

        _log.info("profiling for %.1f s", seconds)
        profiler_v2.start(folder)
        try:
            self._end.wait(seconds)
        finally:
            profiler_v2.stop()


def _reply(folder: Path) -> Any:
    response = ProfileResponse()
    for path in folder.rglob(f"*{_SUFFIX}"):
        if path.stat().st_size <= _MAX_REPLY_BYTES:
            response.tool_data.add(name=_SUFFIX.removeprefix("."), data=path.read_bytes())
    response.empty_trace = not response.tool_data
    return response
