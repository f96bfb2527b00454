"""The auth file, and who is let in by it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from model_service.auth.tokens import TokenVerifier, read_tokens
from model_service.errors import BadRequest, SettingsError

ALICE = "correct-horse-battery"
BOB = "staple-staple-staple"


def auth_file(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path = folder / "callers"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


@pytest.fixture
def verifier(tmp_path: Path) -> TokenVerifier:
    return read_tokens(auth_file(tmp_path, f"# who may call\n\nalice {ALICE}\n  bob\t{BOB}  \n   \n"))


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {ALICE}"},
        {"authorization": f"bearer  {ALICE} "},
        {"x-auth-token": ALICE},
        {"x-apig-appcode": ALICE},
        {"authorization": "Basic YTpi", "x-auth-token": ALICE},
        {"authorization": "Bearer ", "x-apig-appcode": ALICE},
    ],
)
def test_known_callers_are_named(verifier: TokenVerifier, headers: dict[str, str]) -> None:
    assert verifier.verify(headers) == "alice"


def test_each_caller_has_a_token(verifier: TokenVerifier) -> None:
    assert verifier.verify({"x-auth-token": BOB}) == "bob"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "a token is needed"),
        ({"authorization": "Bearer"}, "a token is needed"),
        ({"authorization": "Basic YTpi"}, "a token is needed"),
        ({"x-auth-token": ""}, "a token is needed"),
        ({"x-auth-token": ALICE[:-1]}, "the token is unknown"),
        ({"x-auth-token": ALICE.upper()}, "the token is unknown"),
        ({"x-auth-token": "alice"}, "the token is unknown"),
        ({"x-auth-token": "\xff\xfe" * 20}, "the token is unknown"),
        ({"authorization": "Bearer wrong", "x-auth-token": ALICE}, "the token is unknown"),
    ],
)
def test_others_are_not_let_in(verifier: TokenVerifier, headers: dict[str, str], message: str) -> None:
    with pytest.raises(BadRequest, match=message) as caught:
        verifier.verify(headers)
    assert caught.value.status == 401
    assert ALICE not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o660])
def test_a_file_that_others_may_read_or_write(tmp_path: Path, mode: int) -> None:
    path = auth_file(tmp_path, f"alice {ALICE}\n", mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        read_tokens(path)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_of_its_owner_only(tmp_path: Path, mode: int) -> None:
    assert stat.S_IMODE(auth_file(tmp_path, f"alice {ALICE}\n", mode).stat().st_mode) == mode
    assert read_tokens(tmp_path / "callers").verify({"x-auth-token": ALICE}) == "alice"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no caller"),
        ("# nobody\n\n", "lists no caller"),
        (f"{ALICE}\n", ":1: a line is: name token"),
        (f"# callers\nalice {ALICE} extra\n", ":2: a line is: name token"),
        ("alice fifteen-letters\n", "less than 16"),
        (f"alice {ALICE}\nalice {BOB}\n", ":2: the name or token of 'alice' stands twice"),
        (f"alice {ALICE}\nbob {ALICE}\n", ":2: the name or token of 'bob' stands twice"),
        (b"alice \xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\n", "cannot read"),
    ],
)
def test_a_file_that_is_malformed(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        read_tokens(auth_file(tmp_path, text))
    assert ALICE not in str(caught.value)
    assert BOB not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the auth file"):
        read_tokens(tmp_path / "nobody")
    with pytest.raises(SettingsError, match="cannot read the auth file"):
        read_tokens(tmp_path)


def test_windows_line_ends_and_a_missing_last_one(tmp_path: Path) -> None:
    verifier = read_tokens(auth_file(tmp_path, f"alice {ALICE}\r\nbob {BOB}"))
    assert verifier.verify({"x-auth-token": ALICE}) == "alice"
    assert verifier.verify({"x-auth-token": BOB}) == "bob"


def test_a_token_beyond_ascii_as_headers_carry_it(tmp_path: Path) -> None:
    token = "schl\u00fcssel-schl\u00fcssel"
    verifier = read_tokens(auth_file(tmp_path, f"alice {token}\n"))
    assert verifier.verify({"x-auth-token": token.encode().decode("latin-1")}) == "alice"


def test_a_byte_order_mark_is_not_part_of_a_name(tmp_path: Path) -> None:
    assert read_tokens(auth_file(tmp_path, f"\ufeffalice {ALICE}\n")).verify({"x-auth-token": ALICE}) == "alice"
