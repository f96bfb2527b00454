"""The versions of all models, each with its state, and the rules by which they come and go.

Not safe to share between threads: the manager's thread alone uses it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from model_service.model_server.engine import Model
from model_service.model_server.model_configs import ModelConfig
from model_service.model_server.states import State
from model_service.model_server.status import ServingError


@dataclass(frozen=True, eq=False)
class Servable:
    """A loaded version under its name. Whoever holds it keeps the model in memory: a request in flight is safe."""

    name: str
    version: int
    model: Model


@dataclass(eq=False)
class Version:
    """One version from its discovery to its end.

    Attributes:
        config: of its model, at its discovery.
        number: the version.
        directory: where it lies.
        is_wanted: the file system has it, and the policy asks for it.
        state: where it is in its life; LOADING between two tries too; END here: it could not be loaded.
        is_loading: a thread loads it right now.
        failures: how often that failed.
        error: how it failed last.
        next_try: not before this time of the monotonic clock, in seconds.
        servable: what requests get, while it is AVAILABLE.
        model: kept while it is UNLOADING, until the last request is done.
        last_user: tells when that is.
    """

    config: ModelConfig
    number: int
    directory: Path
    is_wanted: bool = True
    state: State = State.START
    is_loading: bool = False
    failures: int = 0
    error: ServingError | None = None
    next_try: float = 0.0
    servable: Servable | None = None
    model: Model | None = None
    last_user: weakref.ref[Servable] | None = None

    def __str__(self) -> str:
        return f"{{name: {self.config.name} version: {self.number}}}"


class Versions:
    """Every version that is in memory, on its way there or back, or failed and still wanted."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, int], Version] = {}

    def __iter__(self) -> Iterator[Version]:
        return iter(list(self._versions.values()))

    def of_model(self, name: str) -> list[Version]:
        """Return the versions of one model."""
        return [version for version in self if version.config.name == name]

    def discover(self, config: ModelConfig, found: Mapping[int, Path]) -> list[Version]:
        """Note which versions of a model are wanted now; return those that are new."""
        wanted = config.policy.choose(found)
        for version in self.of_model(config.name):
            version.is_wanted = version.number in wanted
        new = [
            Version(config, number, found[number]) for number in wanted if (config.name, number) not in self._versions
        ]
        for version in new:
            self._versions[config.name, version.number] = version
        return new

    def forget(self, version: Version) -> None:
        """Take a version out."""
        del self._versions[version.config.name, version.number]

    def dispensable(self) -> list[Version]:
        """Return those that nobody wants any more, and that may go now."""
        return [
            version
            for version in self
            if not version.is_wanted
            and not version.is_loading
            and version.state is not State.UNLOADING
            and (version.state is not State.AVAILABLE or self._is_replaced(version))
        ]

    def loadable(self) -> list[Version]:
        """Return those to load, now or later; what to try first comes first: new before failed, high before low."""
        waiting = [
            version
            for version in self
            if version.is_wanted and not version.is_loading and version.state in (State.START, State.LOADING)
        ]
        return sorted(waiting, key=lambda version: (version.failures, -version.number))

    def count_loading(self) -> int:
        """Return how many are being loaded."""
        return sum(version.is_loading for version in self)

    def servables(self) -> Mapping[tuple[str, int | None], Servable]:
        """Return what requests may have, by name and version; under None the highest."""
        found: dict[tuple[str, int | None], Servable] = {}
        for version in sorted(self, key=lambda version: version.number):
            if version.servable is not None:
                found[version.config.name, version.number] = version.servable
                found[version.config.name, None] = version.servable
        return found

    def failure(self, name: str) -> str | None:
        """Return what failed of a model, empty if a version is in memory, None as long as that is open."""
        wanted = [version for version in self.of_model(name) if version.is_wanted]
        if any(version.state is State.AVAILABLE for version in wanted):
            return ""
        if not wanted or any(version.state is not State.END for version in wanted):
            return None
        highest = max(wanted, key=lambda version: version.number)
        return f"{{{highest} due to error: {highest.error}}}"

    def _is_replaced(self, version: Version) -> bool:
        """Better an old version than none: the highest of those left over stays until a wanted one is there."""
        others = [other for other in self.of_model(version.config.name) if other is not version]
        wanted = [other for other in others if other.is_wanted]
        return not wanted or any(
            other.state is State.AVAILABLE and (other.is_wanted or other.number > version.number) for other in others
        )
