"""How much a package may use while it is checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the author's code may take; beyond it, its process is killed and that is a finding.

    Attributes:
        load_seconds: to be loaded.
        request_seconds: for one request.
        total_seconds: for all requests together; what is left then is not sent.
        memory_bytes: resident memory of its process and of those that it starts.
    """

    load_seconds: float = 120.0
    request_seconds: float = 30.0
    total_seconds: float = 300.0
    memory_bytes: int = 4 * 1024**3
