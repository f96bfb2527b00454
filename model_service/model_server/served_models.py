"""The set of models that is served: at the start, after a request to change it, after a change of its file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from model_service.model_server.manager import ModelManager
from model_service.model_server.messages import ModelServerConfig
from model_service.model_server.model_configs import ModelConfig, read_models
from model_service.model_server.states import State
from model_service.model_server.status import Code, ServingError
from model_service.model_server.text_protos import read_text_proto

_log = logging.getLogger(__name__)

_LIST = "model_config_list"

# Each occupies a thread that works on calls, for ever if a model never comes. The newest may wait: it may be the one
# that mends what the others wait for.
_MAX_WAITING_RELOADS = 2

_Labels = Mapping[tuple[str, str], int]


class ServedModels:
    """The current ModelServerConfig: its models, which the manager serves, and its labels. Safe between threads.

    Args:
        manager: loads and unloads.
        allow_labels_for_unavailable: a new label may name a version that is not in memory.
    """

    def __init__(self, manager: ModelManager, allow_labels_for_unavailable: bool = False):
        self._manager = manager
        self._allow_labels_for_unavailable = allow_labels_for_unavailable
        self._lock = threading.Lock()
        self._has_list = False
        self._reloads = 0
        self._names: frozenset[str] = frozenset()
        self._labels: _Labels = {}  # replaced as a whole, never changed

    def start(self, config: Any) -> None:
        """Serve the first ModelServerConfig; wait until every model has a version in memory.

        Raises:
            ServingError: it is refused, or a model has versions and none of them can be loaded.
        """
        names = self._apply(config)
        self._raise_if_failed(self._manager.wait_until_loaded(names), "servable(s)")
        self._manager.end_initial_load()

    def reload(self, config: Any, is_wanted: Callable[[], bool]) -> None:
        """Replace the whole set; wait until every model that was not in it has a version in memory.

        Args:
            config: the ModelServerConfig.
            is_wanted: asked now and then whether the caller still waits.

        Raises:
            ServingError: the config is refused, and nothing changes; or a new model has no version that can be loaded;
                or the caller is gone, or too many later reloads wait, and the models go on loading.
        """
        if config.WhichOneof("config") != _LIST:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported",
            )
        names = self._apply(config)
        with self._lock:
            self._reloads += 1
            turn = self._reloads
        failures = self._manager.wait_until_loaded(
            names, lambda: is_wanted() and self._reloads < turn + _MAX_WAITING_RELOADS
        )
        self._raise_if_failed(failures, "model(s)")

    def follow_file(self, path: str, seconds: float) -> None:
        """Read the config from a file every so many seconds from now on, in a thread of its own."""
        threading.Thread(target=self._follow, args=(path, seconds), name="model-config-file", daemon=True).start()

    def version_of(self, name: str, label: str) -> int:
        """Return the version that a label of a model names.

        Raises:
            ServingError: the model has no such label.
        """
        version = self._labels.get((name, label))
        if version is None:
            raise ServingError(Code.INVALID_ARGUMENT, f"Unrecognized servable version label: {label}")
        return version

    def _apply(self, config: Any) -> frozenset[str]:
        """Check a config and hand its models to the manager; return the names that are new."""
        kind = config.WhichOneof("config")
        with self._lock:
            if self._has_list and kind != _LIST:
                raise ServingError(
                    Code.FAILED_PRECONDITION,
                    "Cannot transition to requested config. It is only legal to transition from one ModelConfigList "
                    "to another.",
                )
            if kind is None:
                _log.info("Taking no action for empty config.")
                return frozenset()
            if kind != _LIST:
                raise ServingError(
                    Code.INVALID_ARGUMENT, "ModelServer does not yet support custom model config; list the models"
                )
            models = read_models(config)
            self._labels = self._assign_labels(models)
            self._has_list = True
            old, self._names = self._names, frozenset(model.name for model in models)
            self._manager.set_models(models)
            return self._names - old

    def _assign_labels(self, models: Sequence[ModelConfig]) -> _Labels:
        labels: dict[tuple[str, str], int] = {}
        for model in models:
            statuses = self._manager.statuses(model.name) if model.labels else {}
            for label, version in model.labels.items():
                is_moved = self._labels.get((model.name, label), version) != version
                is_free = self._allow_labels_for_unavailable and not is_moved
                status = statuses.get(version)
                if not is_free and (status is None or status.state is not State.AVAILABLE):
                    raise ServingError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {model.name}, which is not currently "
                        "available for inference",
                    )
                labels[model.name, label] = version
        return labels

    def _raise_if_failed(self, failures: Sequence[str], what: str) -> None:
        if failures:
            listed = "".join(f"{failure}, " for failure in failures)
            raise ServingError(Code.UNKNOWN, f"{len(failures)} {what} did not become available: {{{listed}}}")

    def _follow(self, path: str, seconds: float) -> None:
        """Never waits for models: the next change of the file may be what mends a model that cannot be loaded."""
        while not self._manager.wait_for_stop(seconds):
            try:
                config = read_text_proto(path, ModelServerConfig)
            except ServingError as error:
                _log.error("Failed to read ModelServerConfig file: %s", error.message)
                continue
            try:
                self._apply(config)
            except ServingError as error:
                _log.error("PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error.message)
