"""What the parent process knows of the model server, published to the workers in one small file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from enum import Enum, unique
from pathlib import Path

_STATE_NAME = "state.json"
_START_REQUEST_NAME = "start-requested"


@unique
class Phase(Enum):
    """Where the model server is in its life."""

    FOUND = "found"  # a lazy one, not started yet
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True)
class BackendState:
    """The state of the model server.

    Attributes:
        phase: where it is in its life.
        kind: ``tensorflow_model_server``, ``embedded`` or ``remote``.
        target: its gRPC address.
        reason: why it is not ready; the last words of a process that died.
        starts: how often it was started.
    """

    phase: Phase
    kind: str
    target: str
    reason: str = ""
    starts: int = 0


class StateFolder:
    """The folder through which the supervisor and the workers talk; private to the user."""

    def __init__(self, folder: Path):
        self._folder = folder

    def publish(self, state: BackendState) -> None:
        """Replace the state as a whole: readers see the old one or the new one."""
        fresh = self._folder / f"{_STATE_NAME}.new"
        fresh.write_text(json.dumps({**asdict(state), "phase": state.phase.value}), encoding="utf-8")
        os.replace(fresh, self._folder / _STATE_NAME)

    def read(self) -> BackendState:
        """Read the newest state.

        Raises:
            OSError: nothing was published, or the service has stopped.
        """
        content = json.loads((self._folder / _STATE_NAME).read_text(encoding="utf-8"))
        return BackendState(**{**content, "phase": Phase(content["phase"])})

    def request_start(self) -> None:
        """Ask for a lazy model server to be started; asking twice is the same as once."""
        (self._folder / _START_REQUEST_NAME).touch()

    def is_start_requested(self) -> bool:
        """Whether a worker has asked for the start."""
        return (self._folder / _START_REQUEST_NAME).exists()
