"""What listings are made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredFile:
    """A file in a listing.

    Attributes:
        name: path relative to what was listed, with ``/``.
        location: where to open it: a path or a URL.
        version: changes when the file's content does (size and time of change, or the storage's own tag).
    """

    name: str
    location: str
    version: str
