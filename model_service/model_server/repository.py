"""Which versions of a model lie on disk, and which of them shall be served."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path

from model_service.model_server.status import Code, ServingError

_MAX_VERSION = 2**63 - 1


@unique
class PolicyKind(Enum):
    """Which versions a policy wants."""

    LATEST = "latest"
    ALL = "all"
    SPECIFIC = "specific"


@dataclass(frozen=True)
class VersionPolicy:
    """Which versions shall be served.

    Attributes:
        kind: the rule.
        count: how many, for ``LATEST``.
        versions: which, for ``SPECIFIC``.
    """

    kind: PolicyKind = PolicyKind.LATEST
    count: int = 1
    versions: frozenset[int] = frozenset()

    def choose(self, found: Collection[int]) -> list[int]:
        """Return the wanted versions among those found, highest first."""
        newest_first = sorted(found, reverse=True)
        if self.kind is PolicyKind.LATEST:
            return newest_first[: self.count]
        if self.kind is PolicyKind.SPECIFIC:
            return [version for version in newest_first if version in self.versions]
        return newest_first

    def complaint(self, name: str, base_path: Path, found: Collection[int]) -> str:
        """Return what is missing among the versions found; empty if nothing is."""
        if not self.choose(found):
            return (
                f"No versions of servable {name} found under base path {base_path}. Did you forget to name your leaf "
                "directory as a number (eg. '/1/')?"
            )
        return "; ".join(
            f"Version {version} of servable {name}, which was requested to be served as a 'specific' version in the "
            "servable's version policy, was not found in the file system"
            for version in sorted(self.versions - set(found))
        )


def find_versions(name: str, base_path: Path) -> Mapping[int, Path]:
    """Return the version folders of a model: those below its base path that are named by a number.

    Raises:
        ServingError: the base path cannot be read.
    """
    try:
        return {int(entry.name): entry for entry in sorted(base_path.iterdir()) if _is_version_folder(entry)}
    except OSError as error:
        raise ServingError(
            Code.NOT_FOUND, f"Could not find base path {base_path} for servable {name} with error {error}"
        ) from error


def _is_version_folder(entry: Path) -> bool:
    name = entry.name
    return name.isascii() and name.isdigit() and int(name) <= _MAX_VERSION and entry.is_dir()
