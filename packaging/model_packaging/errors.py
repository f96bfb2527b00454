"""Why a package is not made."""

from __future__ import annotations

from model_service.errors import PackageError


class BuildRefused(PackageError):
    """The parts do not make a package; nothing was written. Exit status 2."""
