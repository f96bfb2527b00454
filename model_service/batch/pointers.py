"""JSON pointers (RFC 6901) into answers."""

from __future__ import annotations

import re
from typing import Any

from model_service.errors import ModelServiceError, SettingsError

_POSITION = re.compile(r"0|[1-9][0-9]{0,17}")


def check_pointer(pointer: str) -> str:
    """Return ``pointer`` if it is one.

    Raises:
        SettingsError: it is neither empty nor begins with a slash, or has a ``~`` that is not followed by 0 or 1.
    """
    if pointer and not pointer.startswith("/"):
        raise SettingsError(f"--select {pointer}: a JSON pointer begins with a slash, for example /scores/0")
    if re.search(r"~(?![01])", pointer):
        raise SettingsError(f"--select {pointer}: in a JSON pointer a ~ is written ~0, and a / in a key ~1")
    return pointer


def at_pointer(value: Any, pointer: str) -> Any:
    """Return the part of a JSON value that a pointer names; "" names all of it.

    Raises:
        ModelServiceError: there is no such part; the message says how far the pointer leads.
    """
    walked = ""
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            value = value[_position(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, TypeError):
            raise ModelServiceError(f"the answer has nothing at {walked}/{step} (--select {pointer})") from None
        walked += f"/{step}"
    return value


def _position(key: str) -> int:
    """The RFC has neither signs nor leading zeros in the places of array elements."""
    if not _POSITION.fullmatch(key):
        raise KeyError(key)
    return int(key)
