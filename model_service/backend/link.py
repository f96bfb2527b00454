"""The worker's end: waits for the model server, starts a lazy one, says whether it is ready."""

from __future__ import annotations

import time

from model_service.backend.state import BackendState, Phase, StateFolder
from model_service.errors import BackendUnavailable

_POLL_SECONDS = 0.02
_LAZY_START_SECONDS = 50.0
_NOT_COMING = (Phase.FAILED, Phase.STOPPED)


class BackendLink:
    """Reads what the supervisor publishes in a folder."""

    def __init__(self, state_folder: StateFolder):
        self._state_folder = state_folder

    def state(self) -> BackendState | None:
        """The newest published state; None when the service has ended."""
        try:
            return self._state_folder.read()
        except OSError:
            return None

    def wait_until_started(self) -> BackendState:
        """Have a lazy model server started, and return its state; one that was started before is returned at once.

        Raises:
            BackendUnavailable: it is not ready in time.
        """
        state = self.state()
        if state is not None and state.phase is not Phase.FOUND:
            return state
        self._state_folder.request_start()
        deadline = time.monotonic() + _LAZY_START_SECONDS
        while time.monotonic() < deadline:
            state = self.state()
            if state is None or state.phase in _NOT_COMING:
                break
            if state.phase is Phase.READY:
                return state
            time.sleep(_POLL_SECONDS)
        raise BackendUnavailable("the model server does not start")
