"""JSON pointers (RFC 6901) into answers."""

from __future__ import annotations

from typing import Any

from model_service.errors import ModelServiceError, SettingsError


def check_pointer(pointer: str) -> str:
    """Return ``pointer`` if it is one.

    Raises:
        SettingsError: it is neither empty nor begins with a slash.
    """
    if pointer and not pointer.startswith("/"):
        raise SettingsError(f"--select {pointer}: a JSON pointer begins with a slash, for example /scores/0")
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
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise ModelServiceError(f"the answer has nothing at {walked}/{step} (--select {pointer})") from None
        walked += f"/{step}"
    return value
