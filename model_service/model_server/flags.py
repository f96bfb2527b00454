"""The command line of tensorflow_model_server: its flags, in its spelling (``--flag=value``, ``--switch``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model_service.errors import SettingsError

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Flag:
    """One flag: its type is the type of its default."""

    name: str
    default: str | int | bool
    help: str


FLAGS = (
    Flag("port", 8500, "TCP port to listen on for gRPC. Disabled if set to zero."),
    Flag("grpc_socket_path", "", "If non-empty, listen to a UNIX socket for gRPC API on the given path."),
    Flag("rest_api_port", 0, "Port to listen on for HTTP/REST API. Only zero (disabled) is available yet."),
    Flag("model_name", "default", "Name of the model."),
    Flag("model_base_path", "", "Folder with one folder per version; the highest number is served."),
    Flag("grpc_max_threads", 16, "Number of threads that work on gRPC calls."),
    Flag("tensorflow_intra_op_parallelism", 0, "Threads within one operation; 0: TensorFlow chooses."),
    Flag("tensorflow_inter_op_parallelism", 0, "Operations at a time; 0: TensorFlow chooses."),
    Flag("enable_serialization_as_tensor_content", False, "Send results as raw bytes instead of value fields."),
    Flag("version", False, "Display version."),
)


@dataclass(frozen=True)
class ServerFlags:
    """The parsed command line; see :data:`FLAGS`."""

    port: int
    grpc_socket_path: str
    rest_api_port: int
    model_name: str
    model_base_path: str
    grpc_max_threads: int
    tensorflow_intra_op_parallelism: int
    tensorflow_inter_op_parallelism: int
    enable_serialization_as_tensor_content: bool
    version: bool


def usage() -> str:
    """The help text."""
    rows = [f"\t--{flag.name}={flag.default!s:<24}\t{type(flag.default).__name__}\t{flag.help}" for flag in FLAGS]
    return "\n".join(["usage: tensorflow_model_server", "Flags:", *rows])


def parse_flags(argv: Sequence[str]) -> ServerFlags:
    """Parse a command line.

    Raises:
        SettingsError: an unknown flag, a value of the wrong type, or nothing to serve.
    """
    known: Mapping[str, Flag] = {flag.name: flag for flag in FLAGS}
    values: dict[str, Any] = {flag.name: flag.default for flag in FLAGS}
    for argument in argv:
        name, has_value, text = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in known:
            raise SettingsError(f"unknown argument: {argument}")
        values[name] = _parse(known[name], text if has_value else None)
    flags = ServerFlags(**values)
    if not flags.version:
        _check(flags)
    return flags


def _parse(flag: Flag, text: str | None) -> str | int | bool:
    if isinstance(flag.default, bool):
        return _parsed(flag, _BOOLEANS.__getitem__, "true" if text is None else text.lower())
    if text is None:
        raise SettingsError(f"--{flag.name} needs a value: --{flag.name}=VALUE")
    if isinstance(flag.default, int):
        return _parsed(flag, int, text)
    return text


def _parsed(flag: Flag, parse: Callable[[str], str | int | bool], text: str) -> str | int | bool:
    try:
        value: str | int | bool = parse(text)
    except (KeyError, ValueError):
        raise SettingsError(f"Couldn't interpret value {text} for flag {flag.name}.") from None
    return value


def _check(flags: ServerFlags) -> None:
    if not flags.model_base_path:
        raise SettingsError("--model_base_path is required")
    if flags.port == 0 and not flags.grpc_socket_path:
        raise SettingsError("--port=0 needs --grpc_socket_path: there is nothing to listen on")
    if flags.rest_api_port:
        raise SettingsError("--rest_api_port: the embedded server has no REST API yet")
    if not 0 <= flags.port < 65536 or flags.grpc_max_threads < 1:
        raise SettingsError("--port must be from 0 to 65535, --grpc_max_threads at least 1")
