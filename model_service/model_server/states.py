"""In which state every version is, for anybody to read."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, unique

from model_service.model_server.status import ServingError


@unique
class State(IntEnum):
    """Where a version is in its life; the numbers of ``ModelVersionStatus.State``."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """The state of one version; ``error`` says why it could not be loaded."""

    state: State
    error: ServingError | None = None


class StateBoard:
    """The last status of every version there ever was. Safe to share between threads."""

    def __init__(self) -> None:
        self._statuses: dict[str, dict[int, VersionStatus]] = {}
        self._lock = threading.Lock()

    def put(self, name: str, version: int, state: State, error: ServingError | None = None) -> None:
        """Set the status of a version."""
        with self._lock:
            self._statuses.setdefault(name, {})[version] = VersionStatus(state, error)

    def knows(self, name: str) -> bool:
        """Whether a model of this name has ever been here."""
        return name in self._statuses

    def of_model(self, name: str) -> Mapping[int, VersionStatus]:
        """Return the status of every version a model had since the start, highest version first."""
        with self._lock:
            return dict(sorted(self._statuses.get(name, {}).items(), reverse=True))
