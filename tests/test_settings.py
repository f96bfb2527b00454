"""The option tables: parsers, precedence, and what must stop a start."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from model_service.errors import SettingsError
from model_service.settings import (
    Option,
    add_options,
    boolean,
    one_of,
    positive_seconds,
    resolve,
    whole_number,
)

PORT = Option("port", whole_number(0, 65535), 8080, "port to listen on", "N")
QUEUE = Option("queue", whole_number(0, 9), 0, "requests that wait", "N")
OPEN = Option("no-auth", boolean, False, "answer anybody, 100% of them")
FILE = Option("auth-file", Path, None, "file of tokens", "FILE")
OPTIONS = (PORT, QUEUE, OPEN, FILE)


def flags_of(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_options(parser, OPTIONS)
    return vars(parser.parse_args(arguments))


@pytest.mark.parametrize("text", ["1", "true", "yes", "on", "TRUE", " On "])
def test_boolean_says_yes(text: str) -> None:
    assert boolean(text) is True


@pytest.mark.parametrize("text", ["0", "false", "no", "off", "False"])
def test_boolean_says_no(text: str) -> None:
    assert boolean(text) is False


@pytest.mark.parametrize("text", ["", "2", "nope", "truee", "None"])
def test_boolean_refuses_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match="must be one of 1, true"):
        boolean(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("10", 10)])
def test_whole_number(text: str, number: int) -> None:
    assert whole_number(0, 10)(text) == number


@pytest.mark.parametrize("text", ["", "-1", "11", "1.0", "1e1", " 1", "1_0", "\u0661", "9" * 5000])
def test_whole_number_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"whole number|digits"):
        whole_number(0, 10)(text)


@pytest.mark.parametrize(("text", "seconds"), [("1", 1.0), ("0.5", 0.5), ("1e3", 1000.0)])
def test_positive_seconds(text: str, seconds: float) -> None:
    assert positive_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "1e6", "ten"])
def test_positive_seconds_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        positive_seconds(text)


def test_one_of() -> None:
    parse = one_of("off", "warn")
    assert parse("warn") == "warn"
    with pytest.raises(ValueError, match="off, warn"):
        parse("WARN")


def test_defaults_when_nothing_is_said() -> None:
    assert resolve(OPTIONS, flags_of(), {}) == {"port": 8080, "queue": 0, "no_auth": False, "auth_file": None}


def test_flag_beats_environment_beats_legacy() -> None:
    environ = {"MODEL_SERVICE_PORT": "2"}
    legacy = {"port": "3"}
    assert resolve(OPTIONS, flags_of("--port", "1"), environ, legacy)["port"] == 1
    assert resolve(OPTIONS, flags_of(), environ, legacy)["port"] == 2
    assert resolve(OPTIONS, flags_of(), {}, legacy)["port"] == 3


def test_a_switch_takes_no_value_and_its_twin_a_boolean() -> None:
    assert resolve(OPTIONS, flags_of("--no-auth"), {})["no_auth"] is True
    assert resolve(OPTIONS, flags_of(), {"MODEL_SERVICE_NO_AUTH": "0"})["no_auth"] is False
    assert resolve(OPTIONS, flags_of("--no-auth"), {"MODEL_SERVICE_NO_AUTH": "0"})["no_auth"] is True


@pytest.mark.parametrize(
    ("flags", "environ", "legacy", "source"),
    [
        ({"port": "x"}, {}, {}, "--port x"),
        ({}, {"MODEL_SERVICE_PORT": "70000"}, {}, "MODEL_SERVICE_PORT 70000"),
        ({}, {"MODEL_SERVICE_NO_AUTH": "maybe"}, {}, "MODEL_SERVICE_NO_AUTH maybe"),
        ({}, {}, {"port": "x"}, "TF_MODEL_ARGS x"),
    ],
)
def test_what_cannot_be_parsed_stops_and_is_named(
    flags: dict[str, str], environ: dict[str, str], legacy: dict[str, str], source: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(OPTIONS, flags, environ, legacy)
    assert str(caught.value).startswith(f"{source}: ")


def test_a_value_that_a_better_source_hides_is_not_parsed() -> None:
    assert resolve(OPTIONS, flags_of("--port", "1"), {"MODEL_SERVICE_PORT": "x"})["port"] == 1


def test_a_misspelt_variable_of_ours_stops() -> None:
    with pytest.raises(SettingsError, match="MODEL_SERVICE_PORTS: unknown; known: MODEL_SERVICE_AUTH_FILE"):
        resolve(OPTIONS, {}, {"MODEL_SERVICE_PORTS": "1"})


def test_variables_of_others_are_left_alone() -> None:
    assert resolve(OPTIONS, {}, {"MODEL_SERVER_PORT": "x", "PORT": "x"})["port"] == 8080


def test_help_shows_default_and_twin() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, OPTIONS)
    text = " ".join(parser.format_help().split())
    assert "port to listen on (default: 8080) [MODEL_SERVICE_PORT]" in text
    assert "answer anybody, 100% of them [MODEL_SERVICE_NO_AUTH]" in text
    assert "file of tokens [MODEL_SERVICE_AUTH_FILE]" in text


def test_help_shows_a_default_of_zero() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, [QUEUE])
    assert "requests that wait (default: 0)" in " ".join(parser.format_help().split())
