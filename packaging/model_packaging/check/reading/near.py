"""Names that were probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean X?)" for the known name that is most like ``name``; "" if none is."""
    near = nearest(name, known)
    return f" (did you mean {near}?)" if near else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like ``name``; "" if none is."""
    near = difflib.get_close_matches(name, sorted(known), 1, 0.75)
    return near[0] if near else ""
