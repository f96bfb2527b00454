"""Loads versions, publishes them to requests, unloads them, and knows the state of each."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, unique
from pathlib import Path

from model_service.model_server.engine import SavedModel
from model_service.model_server.repository import VersionPolicy, find_versions
from model_service.model_server.status import Code, ServingError

_log = logging.getLogger(__name__)

_STOP_CHECK_SECONDS = 1.0


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


@dataclass(frozen=True, slots=True, eq=False)
class Servable:
    """A loaded version under its name. Whoever holds it keeps the model in memory: a request in flight is safe."""

    name: str
    version: int
    model: SavedModel


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve."""

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=VersionPolicy)


@dataclass(frozen=True)
class LoadOptions:
    """How versions are looked for and loaded.

    Attributes:
        poll_seconds: between looks at the file system; 0: look once.
        max_retries: how often a load that failed is tried again; at the start it is not tried again.
        retry_seconds: between tries.
    """

    poll_seconds: float = 1.0
    max_retries: int = 5
    retry_seconds: float = 60.0


LoadModel = Callable[[ModelConfig, Path], SavedModel]


class ModelManager:
    """Keeps the versions in memory that the file system and the policies ask for.

    A version is loaded before the one it replaces is unloaded, so requests never see a gap. One thread, of
    :meth:`start`, loads and unloads; any thread may look up.

    Args:
        models: what to serve.
        load_model: loads a version folder of a model, or raises ServingError.
        options: how.
    """

    def __init__(self, models: Sequence[ModelConfig], load_model: LoadModel, options: LoadOptions):
        self._models = tuple(models)
        self._load_model = load_model
        self._options = options
        self._statuses: dict[str, dict[int, VersionStatus]] = {}
        # Replaced as a whole, never changed: requests read it without a lock.
        self._servables: Mapping[tuple[str, int | None], Servable] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="model-manager", daemon=True)

    def start(self) -> None:
        """Load what is there; wait until every model has a version in memory, as the real server does.

        Raises:
            ServingError: a model has versions and none of them can be loaded.
        """
        waiting = list(self._models)
        while not self._stopping.is_set():
            for model in waiting:
                self._reconcile(model, max_retries=0)
            waiting = [model for model in waiting if (model.name, None) not in self._servables]
            self._raise_if_failed(waiting)
            if not waiting:
                self._thread.start()
                return
            self._stopping.wait(self._options.poll_seconds or _STOP_CHECK_SECONDS)

    def stop(self) -> None:
        """End polling and waiting; may be called from a signal handler."""
        self._stopping.set()

    def find(self, name: str, version: int | None) -> Servable:
        """Return a loaded version; without a number the highest.

        Raises:
            ServingError: it is not in memory.
        """
        servable = self._servables.get((name, version))
        if servable is None:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return servable

    def statuses(self, name: str) -> Mapping[int, VersionStatus]:
        """Return the status of every version a model had since the start, highest version first."""
        with self._lock:
            return dict(sorted(self._statuses.get(name, {}).items(), reverse=True))

    def _poll(self) -> None:
        while self._options.poll_seconds > 0 and not self._stopping.wait(self._options.poll_seconds):
            for model in self._models:
                self._reconcile(model, self._options.max_retries)

    def _reconcile(self, model: ModelConfig, max_retries: int) -> None:
        """Load and unload until memory holds what the file system and the policy ask for."""
        try:
            found = find_versions(model.name, model.base_path)
        except ServingError as error:
            _log.error("FileSystemStoragePathSource encountered a filesystem access error: %s", error.message)
            return
        wanted = model.policy.choose(found)
        if not wanted:
            _log.warning(
                "No versions of servable %s found under base path %s. Did you forget to name your leaf directory as "
                "a number (eg. '/1/')?",
                model.name,
                model.base_path,
            )
        statuses = self.statuses(model.name)
        for version in wanted:
            known = statuses.get(version)
            if known is None or (known.state is State.END and known.error is None):
                self._load(model, version, found[version], max_retries)
        in_memory = [
            version for version, status in self.statuses(model.name).items() if status.state is State.AVAILABLE
        ]
        if wanted and not set(wanted) & set(in_memory):
            return  # better an old version than none
        for version in in_memory:
            if version not in wanted:
                self._unload(model.name, version)

    def _load(self, config: ModelConfig, version: int, directory: Path, max_retries: int) -> None:
        name = config.name
        label = f"{{name: {name} version: {version}}}"
        self._set_status(name, version, VersionStatus(State.LOADING))
        _log.info("Loading servable version %s from %s", label, directory)
        started = time.monotonic()
        for attempt in range(max_retries + 1):
            try:
                model = self._load_model(config, directory)
                break
            except ServingError as error:
                _log.error("Loading servable: %s failed: %s", label, error)
                if attempt == max_retries or self._stopping.wait(self._options.retry_seconds):
                    self._set_status(name, version, VersionStatus(State.END, error))
                    return
                _log.info("Retrying of loading servable %s, attempt %d", label, attempt + 1)
        with self._lock:
            self._publish({**self._servables, (name, version): Servable(name, version, model)}, name)
        self._set_status(name, version, VersionStatus(State.AVAILABLE))
        _log.info("Successfully loaded servable version %s in %.1f s", label, time.monotonic() - started)

    def _unload(self, name: str, version: int) -> None:
        self._set_status(name, version, VersionStatus(State.UNLOADING))
        with self._lock:
            self._publish({key: kept for key, kept in self._servables.items() if key != (name, version)}, name)
        self._set_status(name, version, VersionStatus(State.END))
        _log.info("Done unloading servable version {name: %s version: %d}", name, version)

    def _publish(self, servables: dict[tuple[str, int | None], Servable], name: str) -> None:
        numbers = [version for owner, version in servables if owner == name and version is not None]
        servables.pop((name, None), None)
        if numbers:
            servables[name, None] = servables[name, max(numbers)]
        self._servables = servables

    def _set_status(self, name: str, version: int, status: VersionStatus) -> None:
        with self._lock:
            self._statuses.setdefault(name, {})[version] = status

    def _raise_if_failed(self, models: Sequence[ModelConfig]) -> None:
        failed = [
            f"{{{{name: {model.name} version: {version}}} due to error: {status.error}}}, "
            for model in models
            for version, status in self.statuses(model.name).items()
            if status.error is not None
        ]
        if failed:
            raise ServingError(
                Code.UNKNOWN, f"{len(failed)} servable(s) did not become available: {{{''.join(failed)}}}"
            )
