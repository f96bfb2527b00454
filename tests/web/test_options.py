"""The options of ``serve``: where a value comes from, and which must stop a start."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from model_service.errors import SettingsError
from model_service.web.options import OPTIONS, ServeOptions, parse_options

OLD = {"TF_MODEL_ARGS": "--model_name old"}


def options(*argv: str, **environ: str) -> ServeOptions:
    return parse_options(argv, environ)


def test_the_package_alone_is_enough_and_safe() -> None:
    plain = options("p")
    assert (plain.package, plain.host, plain.port, plain.backend, plain.sidecar) == (
        Path("p"),
        "127.0.0.1",
        8080,
        "auto",
        "auto",
    )
    assert plain.max_body_bytes == 12 * 1024 * 1024
    assert (plain.validate_request, plain.validate_response) == (None, None)
    assert (plain.auth_file, plain.no_auth) == (None, False)
    assert (plain.sidecar_grpc_port, plain.sidecar_rest_port) == (0, 0)


def test_every_row_of_the_table_is_a_field() -> None:
    assert {option.key for option in OPTIONS} | {"package"} == {field.name for field in fields(ServeOptions)}


@pytest.mark.parametrize(
    ("argv", "environ", "name"),
    [
        (
            ["p", "--model-name", "flag"],
            {"MODEL_SERVICE_MODEL_NAME": "twin", "TF_MODEL_ARGS": "--model_name old"},
            "flag",
        ),
        (["p"], {"MODEL_SERVICE_MODEL_NAME": "twin", "TF_MODEL_ARGS": "--model_name old"}, "twin"),
        (["p"], {"TF_MODEL_ARGS": "--model_name old"}, "old"),
        (["p"], {}, "serve"),
    ],
)
def test_flag_then_environment_then_the_old_variable(argv: list[str], environ: dict[str, str], name: str) -> None:
    assert parse_options(argv, environ).model_name == name


def test_the_old_variable_names_package_and_service_file() -> None:
    text = "--model_path /home/mind/model/1  --service_file=/home/mind/s.py --tf_server_name 10.0.0.1 --unknown x"
    legacy = options(TF_MODEL_ARGS=text)
    assert (legacy.package, legacy.service) == (Path("/home/mind/model/1"), Path("/home/mind/s.py"))
    assert legacy.backend == "auto"
    assert options("p", TF_MODEL_ARGS=text).package == Path("p")


@pytest.mark.parametrize("text", ["--model_path", "--model_name --service_file s.py", "--service_file"])
def test_the_old_variable_with_a_value_missing(text: str) -> None:
    with pytest.raises(SettingsError, match="TF_MODEL_ARGS"):
        options("p", TF_MODEL_ARGS=text)


def test_the_old_variable_knows_whole_names_only() -> None:
    assert options("p", TF_MODEL_ARGS="--model_n other --model x").model_name == "serve"


def test_no_package_at_all() -> None:
    with pytest.raises(SettingsError, match="name a package: model-service serve PACKAGE"):
        options()


@pytest.mark.parametrize("variable", ["MODEL_SERVICE_PROT", "MODEL_SERVICE_", "MODEL_SERVICE_PACKAGE"])
def test_an_unknown_variable_of_ours(variable: str) -> None:
    with pytest.raises(SettingsError, match=f"{variable}: unknown"):
        parse_options(["p"], {variable: "1"})


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("false", False)])
def test_booleans_by_table(text: str, value: bool) -> None:
    assert options("p", MODEL_SERVICE_ACCESS_LOG=text).access_log is value
    assert options("p", MODEL_SERVICE_NO_AUTH=text).no_auth is value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("NO_AUTH", "maybe"),
        ("PORT", "http"),
        ("PORT", ""),
        ("WORKERS", "0"),
        ("THREADS", "257"),
        ("VALIDATE_REQUEST", "hard"),
        ("SIDECAR", "sometimes"),
        ("BODY_TIMEOUT", "0"),
        ("REQUEST_TIMEOUT", "nan"),
        ("MAX_BODY_BYTES", "12MB"),
        ("LOG_LEVEL", "trace"),
    ],
)
def test_what_cannot_be_parsed_is_named(variable: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"MODEL_SERVICE_{variable}"):
        parse_options(["p"], {f"MODEL_SERVICE_{variable}": text})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_word(host: str) -> None:
    assert options("p", "--host", host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "192.168.1.1"])
def test_any_other_address_needs_one(host: str) -> None:
    with pytest.raises(SettingsError, match=f"--host {host}: others can reach this address; add --auth-file"):
        options("p", "--host", host)
    assert options("p", "--host", host, "--no-auth").no_auth
    assert options("p", "--host", host, MODEL_SERVICE_AUTH_FILE="f").auth_file == Path("f")
    with pytest.raises(SettingsError, match="others can reach"):
        options("p", "--host", host, MODEL_SERVICE_NO_AUTH="0")
    with pytest.raises(SettingsError, match="others can reach"):
        options("p", MODEL_SERVICE_HOST=host)


@pytest.mark.parametrize("host", ["", "example.com", "127.0.0.1:80", "localhost.evil"])
def test_a_host_that_is_no_address(host: str) -> None:
    with pytest.raises(SettingsError, match="must be an IP address or localhost"):
        options("p", "--host", host)


def test_an_auth_file_and_no_auth_at_once() -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        options("p", "--auth-file", "f", "--no-auth")


def test_usage_errors_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["p", "--nonsense"], ["p", "--port"], ["p", "q"], ["p", "--no-auth=1"]):
        with pytest.raises(SystemExit) as caught:
            options(*argv)
        assert caught.value.code == 2
    assert "usage: model-service serve" in capsys.readouterr().err


def test_flags_are_not_guessed_from_their_beginning() -> None:
    with pytest.raises(SystemExit):
        options("p", "--no")
