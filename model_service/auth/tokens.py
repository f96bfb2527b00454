"""Callers known by a secret token, listed in a file.

One caller a line: ``name token``. Empty lines and lines that begin with ``#`` are skipped. The file must be readable
by its owner only.
"""

from __future__ import annotations

import hmac
import stat
from collections.abc import Mapping
from pathlib import Path

from model_service.errors import BadRequest, SettingsError

_MIN_TOKEN_CHARACTERS = 16
_HEADERS = ("x-auth-token", "x-apig-appcode")


class TokenVerifier:
    """Knows the callers of one auth file."""

    def __init__(self, tokens: Mapping[str, str]):
        self._tokens = {name: token.encode() for name, token in tokens.items()}

    def verify(self, headers: Mapping[str, str]) -> str:
        """Return the name of the caller.

        Args:
            headers: lower-case names; the token is taken from ``Authorization: Bearer``, ``X-Auth-Token`` or
                ``X-Apig-AppCode``.

        Raises:
            BadRequest: 401, no token or an unknown one.
        """
        given = _given_token(headers)
        if given is None:
            raise BadRequest("a token is needed: Authorization: Bearer TOKEN, or X-Auth-Token: TOKEN", status=401)
        caller = None
        for name, token in self._tokens.items():  # all of them, so that the time tells nothing
            if hmac.compare_digest(given, token):
                caller = name
        if caller is None:
            raise BadRequest("the token is unknown", status=401)
        return caller


def _given_token(headers: Mapping[str, str]) -> bytes | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip().encode("latin-1")
    for name in _HEADERS:
        if headers.get(name):
            return headers[name].encode("latin-1")
    return None


def read_tokens(path: Path) -> TokenVerifier:
    """Read an auth file.

    Raises:
        SettingsError: it cannot be read, others may read it, a line is malformed, a token is short or given twice.
            No message holds a token.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot read the auth file: {error}") from error
    if mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError(f"{path}: others may read or write the auth file; run: chmod 600 {path}")
    tokens: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split()
        if len(parts) != 2:
            raise SettingsError(f"{path}:{number}: a line is: name token")
        name, token = parts
        if len(token) < _MIN_TOKEN_CHARACTERS:
            raise SettingsError(
                f"{path}:{number}: the token of {name!r} has less than {_MIN_TOKEN_CHARACTERS} characters"
            )
        if name in tokens or token in tokens.values():
            raise SettingsError(f"{path}:{number}: the name or token of {name!r} stands twice")
        tokens[name] = token
    if not tokens:
        raise SettingsError(f"{path}: lists no caller")
    return TokenVerifier(tokens)
