"""Keeps in memory the versions that the file system and the configuration ask for."""

from __future__ import annotations

import gc
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from model_service.model_server.engine import Model
from model_service.model_server.model_configs import ModelConfig
from model_service.model_server.repository import find_versions
from model_service.model_server.states import State, StateBoard, VersionStatus
from model_service.model_server.status import Code, ServingError
from model_service.model_server.versions import Servable, Version, Versions

_log = logging.getLogger(__name__)

_CHECK_SECONDS = 0.2
_IMPATIENT_POLL_SECONDS = 1.0
_ACCESS_ERROR = "FileSystemStoragePathSource encountered a filesystem access error"
_INITIAL_LOAD_THREADS = 4 * (os.cpu_count() or 1)  # the real server's


@dataclass(frozen=True)
class LoadOptions:
    """How versions are looked for, loaded and unloaded.

    Attributes:
        poll_seconds: between looks at the file system; 0: look once.
        max_retries: how often a load that failed is tried again.
        retry_seconds: between tries.
        load_threads: loads at a time once the first models are served; 0 and 1: one after the other.
        unload_threads: models whose memory is given back at a time; 0 and 1: one after the other.
    """

    poll_seconds: float = 1.0
    max_retries: int = 5
    retry_seconds: float = 60.0
    load_threads: int = 0
    unload_threads: int = 0


LoadModel = Callable[[ModelConfig, Path], Model]


@dataclass(eq=False)
class _Waiter:
    """Somebody who waits until models have a version in memory or none that can be loaded."""

    names: Collection[str]
    done: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)


class ModelManager:
    """Loads, publishes and unloads versions.

    A version is loaded before the one it replaces is unloaded, so requests never see a gap, and unloaded only when the
    last request has let go of it. One thread decides, on messages from the others; every load has a thread of its own,
    so that a slow or broken version keeps no other model waiting. Any thread may look up.

    Args:
        load_model: loads a version folder of a model, or raises ServingError.
        options: how.
    """

    def __init__(self, load_model: LoadModel, options: LoadOptions):
        self._load_model = load_model
        self._options = options
        self._board = StateBoard()
        # Replaced as a whole, never changed: requests read it without a lock.
        self._servables: Mapping[tuple[str, int | None], Servable] = {}
        self._models: Mapping[str, ModelConfig] = {}
        self._versions = Versions()
        self._complaints: dict[str, str] = {}
        self._waiters: list[_Waiter] = []
        self._load_limit = _INITIAL_LOAD_THREADS
        self._next_poll = 0.0
        self._actions: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._unloaders = ThreadPoolExecutor(max(1, options.unload_threads), thread_name_prefix="unload")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-manager", daemon=True)

    def start(self) -> None:
        """Start working; there is nothing to do before :meth:`set_models`."""
        gc.freeze()  # what is there by now stays; models come and go, and looking for their remains is quick this way
        self._thread.start()

    def stop(self) -> None:
        """End working and waiting; may be called from a signal handler."""
        self._stopping.set()
        self._actions.put(bool)

    def wait_for_stop(self, seconds: float) -> bool:
        """Wait, but not longer than until :meth:`stop`; return whether that was called."""
        return self._stopping.wait(seconds)

    def set_models(self, models: Sequence[ModelConfig]) -> None:
        """Serve these models and no others; return before anything is loaded or unloaded."""
        self._actions.put(partial(self._set_models, models))

    def wait_until_loaded(self, names: Collection[str], is_wanted: Callable[[], bool] = lambda: True) -> list[str]:
        """Wait until each model has a version in memory, or none that can be loaded, or the manager stops.

        Args:
            names: of models given to :meth:`set_models`.
            is_wanted: asked now and then whether anybody still wants to know.

        Returns:
            What failed, one text per model: ``{{name: m version: 1} due to error: ...}``.

        Raises:
            ServingError: nobody wants to know any more.
        """
        waiter = _Waiter(names)
        self._actions.put(partial(self._waiters.append, waiter))
        while not waiter.done.wait(_CHECK_SECONDS) and not self._stopping.is_set():
            if not is_wanted():
                self._actions.put(partial(self._waiters.remove, waiter))
                raise ServingError(Code.CANCELLED, "No longer waiting for the models; they go on loading")
        return waiter.failures

    def end_initial_load(self) -> None:
        """From now on load no more versions at a time than the options say."""
        self._load_limit = max(1, self._options.load_threads)

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

    def is_known(self, name: str) -> bool:
        """Whether a model of this name has ever been served."""
        return self._board.knows(name)

    def statuses(self, name: str) -> Mapping[int, VersionStatus]:
        """Return the status of every version a model had since the start, highest version first."""
        return self._board.of_model(name)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take_action()
                if self._poll_seconds() and time.monotonic() >= self._next_poll:
                    self._next_poll = time.monotonic() + self._poll_seconds()
                    for config in self._models.values():
                        self._look(config)
                self._unload_leftovers()
                self._start_loads()
                self._answer_waiters()
            except Exception:  # whatever happens, models must go on being looked after  # noqa: BLE001
                _log.exception("the model manager failed; it goes on")
                self._stopping.wait(_CHECK_SECONDS)

    def _take_action(self) -> None:
        """Wait until there is something to do; do it if it is a message."""
        times = [version.next_try for version in self._versions.loadable()] if self._free_threads() > 0 else []
        times += [self._next_poll] if self._poll_seconds() else []
        try:
            self._actions.get(timeout=max(0.0, min(times) - time.monotonic()) if times else None)()
        except queue.Empty:
            return

    def _poll_seconds(self) -> float:
        """Without polling the file system is looked at all the same while somebody waits for a first version."""
        return max(0.0, self._options.poll_seconds) or (_IMPATIENT_POLL_SECONDS if self._waiters else 0.0)

    def _set_models(self, models: Sequence[ModelConfig]) -> None:
        for config in models:
            if self._models.get(config.name) != config:
                _log.info("(Re-)adding model: %s", config.name)
        self._models = {config.name: config for config in models}
        for version in self._versions:
            version.is_wanted = version.is_wanted and version.config.name in self._models
        for config in models:
            self._look(config)

    def _look(self, config: ModelConfig) -> None:
        """Compare what the file system has with what is in memory; whoever loads and unloads acts on it."""
        try:
            found = find_versions(config.name, config.base_path)
        except ServingError as error:
            self._complain(config.name, f"{_ACCESS_ERROR}: {error.message}")
            return
        self._complain(config.name, config.policy.complaint(config.name, config.base_path, found))
        for version in self._versions.discover(config, found):
            self._put_state(version, State.START)

    def _complain(self, name: str, text: str) -> None:
        if text and text != self._complaints.get(name):
            _log.warning("%s", text)
        self._complaints[name] = text

    def _unload_leftovers(self) -> None:
        for version in self._versions.dispensable():
            if version.state is State.AVAILABLE:
                self._unload(version)
            else:
                self._versions.forget(version)
                self._put_state(version, State.END)

    def _start_loads(self) -> None:
        due = [version for version in self._versions.loadable() if version.next_try <= time.monotonic()]
        for version in due[: max(0, self._free_threads())]:
            version.is_loading = True
            self._put_state(version, State.LOADING)
            threading.Thread(target=self._load, args=(version,), name=f"load {version}", daemon=True).start()

    def _free_threads(self) -> int:
        return self._load_limit - self._versions.count_loading()

    def _load(self, version: Version) -> None:
        if version.failures:
            _log.info("Retrying of Loading servable: %s retry: %d", version, version.failures)
        else:
            _log.info("Loading servable version %s from %s", version, version.directory)
        started = time.monotonic()
        try:
            model = self._load_model(version.config, version.directory)
        except ServingError as error:
            failure = ServingError(error.code, error.message)  # no traceback: it holds on to what was loaded by then
        except Exception as error:  # no model may end the server  # noqa: BLE001
            _log.exception("loading %s failed", version)
            failure = ServingError(Code.INTERNAL, repr(error))
        else:
            self._actions.put(partial(self._on_loaded, version, model, time.monotonic() - started))
            return
        self._actions.put(partial(self._on_load_failed, version, failure))

    def _on_load_failed(self, version: Version, error: ServingError) -> None:
        _log.error("Loading servable: %s failed: %s", version, error)
        version.is_loading = False
        version.error = error
        version.failures += 1
        version.next_try = time.monotonic() + self._options.retry_seconds
        if version.failures > self._options.max_retries:
            _log.info("Retrying of Loading servable: %s exhausted max_num_retries: %d", version, version.failures - 1)
            self._put_state(version, State.END)

    def _on_loaded(self, version: Version, model: Model, seconds: float) -> None:
        version.is_loading = False
        version.error = None
        version.servable = Servable(version.config.name, version.number, model)
        self._servables = self._versions.servables()
        self._put_state(version, State.AVAILABLE)
        _log.info("Successfully loaded servable version %s in %.1f s", version, seconds)

    def _unload(self, version: Version) -> None:
        servable = version.servable
        assert servable is not None  # it is AVAILABLE
        self._put_state(version, State.UNLOADING)
        version.model, version.servable = servable.model, None
        self._servables = self._versions.servables()
        # Called as soon as nobody holds the servable any more; the model's memory is given back in another thread.
        version.last_user = weakref.ref(servable, lambda _: self._actions.put(partial(self._on_unused, version)))

    def _on_unused(self, version: Version) -> None:
        self._unloaders.submit(self._free, version)

    def _free(self, version: Version) -> None:
        version.model = None
        gc.collect()  # a model's signatures and the model refer to each other
        self._actions.put(partial(self._on_unloaded, version))

    def _on_unloaded(self, version: Version) -> None:
        self._versions.forget(version)
        self._put_state(version, State.END)
        _log.info("Done unloading servable version %s", version)
        if version.config.name in self._models:  # it may be wanted again by now
            self._look(self._models[version.config.name])

    def _put_state(self, version: Version, state: State) -> None:
        version.state = state
        self._board.put(version.config.name, version.number, state, version.error)

    def _answer_waiters(self) -> None:
        for waiter in list(self._waiters):
            results = [
                self._versions.failure(name) if name in self._models else _left_out(name) for name in waiter.names
            ]
            if None not in results:
                self._waiters.remove(waiter)
                waiter.failures = [text for text in results if text]
                waiter.done.set()


def _left_out(name: str) -> str:
    return f"{{{{name: {name}}} due to error: {Code.ABORTED.name}: left out of a later config}}"
