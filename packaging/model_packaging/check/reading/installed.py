"""Which modules can be imported here."""

from __future__ import annotations

import importlib.util


def is_installed(top: str) -> bool:
    """Whether a top-level module is there; nothing of it is loaded."""
    try:
        return bool(top) and importlib.util.find_spec(top) is not None
    except (ImportError, ValueError, AttributeError):
        return False
