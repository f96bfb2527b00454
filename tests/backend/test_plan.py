"""Which model server is chosen, and the command line it gets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from model_service.backend.plan import BINARY_NAME, EMBEDDED, REMOTE, SidecarOptions, choose_backend
from model_service.errors import SettingsError

from .conftest import install_binary, path_with

NOTHING_ON_PATH = {"PATH": ""}


@pytest.fixture
def options() -> SidecarOptions:
    return SidecarOptions(Path("/run/x"), Path("/run/x/model"), "serve")


def test_auto_takes_the_address_in_the_environment_first(options: SidecarOptions, tmp_path: Path) -> None:
    environ = path_with(install_binary(tmp_path / "bin", "2.19"))
    plan = choose_backend("auto", {**environ, "TF_SERVER_NAME": "models.local", "TF_SERVER_PORT": "9000"}, options)
    assert (plan.kind, plan.target, plan.command, plan.model_name) == (REMOTE, "models.local:9000", (), "serve")


def test_auto_knows_the_usual_port(options: SidecarOptions) -> None:
    assert choose_backend("auto", {"TF_SERVER_NAME": "10.0.0.7"}, options).target == "10.0.0.7:8500"
    environ = {"TF_SERVER_NAME": "10.0.0.7", "TF_SERVER_PORT": ""}
    assert choose_backend("auto", environ, options).target == "10.0.0.7:8500"


@pytest.mark.parametrize("port", ["abc", "0", "65536", "\u00b2", "-1"])
def test_auto_refuses_an_address_that_cannot_be_one(options: SidecarOptions, port: str) -> None:
    with pytest.raises(SettingsError, match="TF_SERVER_PORT"):
        choose_backend("auto", {"TF_SERVER_NAME": "models.local", "TF_SERVER_PORT": port}, options)


def test_auto_takes_the_binary_on_path(options: SidecarOptions, tmp_path: Path) -> None:
    binary = install_binary(tmp_path / "bin", "2.19")
    plan = choose_backend("auto", {**path_with(binary), "TF_SERVER_NAME": ""}, options)
    assert (plan.kind, plan.target) == (BINARY_NAME, "unix:/run/x/grpc.sock")
    assert plan.command == (
        str(binary),
        "--port=0",
        "--rest_api_port=0",
        "--grpc_socket_path=/run/x/grpc.sock",
        "--model_name=serve",
        "--model_base_path=/run/x/model",
        "--max_num_load_retries=0",
        "--enable_serialization_as_tensor_content=true",
    )


def test_a_binary_is_not_given_a_flag_it_does_not_know(options: SidecarOptions, tmp_path: Path) -> None:
    plan = choose_backend("auto", path_with(install_binary(tmp_path / "bin", "old")), options)
    assert plan.kind == BINARY_NAME
    assert not any("serialization" in part for part in plan.command)


def test_auto_is_embedded_when_there_is_nothing_else(options: SidecarOptions) -> None:
    plan = choose_backend("auto", NOTHING_ON_PATH, options)
    assert plan.kind == EMBEDDED
    assert plan.command[:3] == (sys.executable, "-m", "model_service.model_server")


def test_a_file_on_path_that_is_no_executable_is_passed_over(options: SidecarOptions, tmp_path: Path) -> None:
    binary = install_binary(tmp_path / "bin", "2.19")
    binary.chmod(0o644)
    assert choose_backend("auto", {"PATH": str(binary.parent)}, options).kind == EMBEDDED


def test_embedded_is_taken_at_its_word(options: SidecarOptions, tmp_path: Path) -> None:
    environ = {**path_with(install_binary(tmp_path / "bin", "2.19")), "TF_SERVER_NAME": "models.local"}
    assert choose_backend("embedded", environ, options).kind == EMBEDDED


def test_the_binary_by_name_and_by_path(options: SidecarOptions, tmp_path: Path) -> None:
    binary = install_binary(tmp_path / "bin", "2.19")
    by_name = choose_backend(BINARY_NAME, path_with(binary), options)
    assert by_name == choose_backend(str(binary), NOTHING_ON_PATH, options)


def test_a_relative_path_still_works_from_another_folder(
    options: SidecarOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = install_binary(tmp_path / "bin", "2.19")
    monkeypatch.chdir(tmp_path)
    assert choose_backend("./bin/tensorflow_model_server", NOTHING_ON_PATH, options).command[0] == str(binary)


@pytest.mark.parametrize("wanted", [BINARY_NAME, "/nowhere/tensorflow_model_server"])
def test_a_binary_that_is_missing(options: SidecarOptions, wanted: str) -> None:
    with pytest.raises(SettingsError, match="no such executable"):
        choose_backend(wanted, NOTHING_ON_PATH, options)


def test_a_binary_that_the_system_cannot_run(options: SidecarOptions, tmp_path: Path) -> None:
    binary = tmp_path / BINARY_NAME
    binary.write_bytes(b"\x7fELF not for this machine")
    binary.chmod(0o755)
    with pytest.raises(SettingsError, match="cannot be run"):
        choose_backend(str(binary), NOTHING_ON_PATH, options)


@pytest.mark.parametrize("address", ["models.local:8500", "127.0.0.1:1", "[::1]:8500", "unix:/run/tf.sock"])
def test_an_address_is_remote(options: SidecarOptions, address: str) -> None:
    plan = choose_backend(address, {"TF_SERVER_NAME": "other"}, options)
    assert (plan.kind, plan.target, plan.command) == (REMOTE, address, ())


@pytest.mark.parametrize(
    "wanted", ["", "nonsense", ":8500", "host:", "host:0", "host:65536", "host:\u00b2", "host:http", "unix:"]
)
def test_what_is_neither_word_nor_path_nor_address(options: SidecarOptions, wanted: str) -> None:
    with pytest.raises(SettingsError, match="takes auto, embedded, tensorflow_model_server"):
        choose_backend(wanted, NOTHING_ON_PATH, options)


def test_tcp_ports_are_off_unless_asked_for() -> None:
    ports = SidecarOptions(Path("/run/x"), Path("/m"), "serve", grpc_port=8500, rest_port=8501)
    command = choose_backend("embedded", {}, ports).command
    assert {"--port=8500", "--rest_api_port=8501"} <= set(command)


def test_a_folder_too_deep_for_a_unix_socket() -> None:
    deep = Path("/" + "x" * 94)
    assert choose_backend("embedded", {}, SidecarOptions(deep / "y", Path("/m"), "serve")).target.startswith("unix:")
    with pytest.raises(SettingsError, match="TMPDIR"):
        choose_backend("embedded", {}, SidecarOptions(deep / "yy", Path("/m"), "serve"))
