"""A package of ``dependencies`` as pip takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OPERATORS = {"EXACT": "==", "ATLEAST": ">=", "ATMOST": "<="}


def requirement_of(package: Mapping[str, Any]) -> str:
    """Return the pip requirement of one package: ``numpy==1.15.0``.

    Raises:
        KeyError: it has no name, or an unknown restraint.
    """
    name, version = package["package_name"], package.get("package_version") or ""
    return f"{name}{_OPERATORS[package['restraint']]}{version}" if version else name
