"""The command line of tensorflow_model_server: its flags, in its spelling (``--flag=value``, ``--switch``)."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from model_service.errors import SettingsError

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_INT64_FLAGS = frozenset({"load_retry_interval_micros"})
_TYPE_NAMES = {bool: "bool", float: "float", str: "string"}
_THREADS = 4 * (os.cpu_count() or 1)  # the real server's default
_PORTS = range(2**16)
# Flag: its least value.
_LEAST = {
    "rest_api_num_threads": 1,
    "rest_api_timeout_in_ms": 1,
    "grpc_max_threads": 1,
    "num_tflite_pools": 1,
    "num_tflite_interpreters_per_pool": 1,
    "num_load_threads": 0,
    "num_unload_threads": 0,
    "max_num_load_retries": 0,
    "tensorflow_session_parallelism": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
    "per_process_gpu_memory_fraction": 0,
}
DEFAULT_ADDRESS = "127.0.0.1"


def _flag(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


def _refused(default: Any, text: str, reason: str) -> Any:
    """Declare a flag of the real server that cannot work here: any value but its default is refused."""
    return field(default=default, metadata={"help": f"{text} Refused here: {reason}.", "refused": reason})


def _ignored(default: Any, text: str) -> Any:
    """Declare a flag of the real server that has nothing to act on here."""
    return field(default=default, metadata={"help": f"{text} Accepted, without effect here."})


@dataclass(frozen=True)
class ServerFlags:
    """The parsed command line; each field is the flag of its name."""

    listen_address: str = _flag(
        DEFAULT_ADDRESS,
        "IP address that --port and --rest_api_port listen on (not a flag of the real server, which always listens on "
        "all interfaces: 0.0.0.0).",
    )
    port: int = _flag(8500, "TCP port to listen on for gRPC. Disabled if set to zero.")
    grpc_socket_path: str = _flag("", "If non-empty, listen to a UNIX socket for gRPC on this path.")
    rest_api_port: int = _flag(0, "Port to listen on for the HTTP/REST API; zero: none.")
    rest_api_num_threads: int = _flag(_THREADS, "Threads for the HTTP/REST API.")
    rest_api_timeout_in_ms: int = _flag(30000, "Time-out of HTTP/REST calls.")
    rest_api_enable_cors_support: bool = _flag(False, "Send CORS headers.")
    enable_batching: bool = _flag(False, "Join requests into batches.")
    allow_version_labels_for_unavailable_models: bool = _flag(False, "Labels may name versions not loaded yet.")
    batching_parameters_file: str = _flag("", "Text file of BatchingParameters.")
    enable_per_model_batching_parameters: bool = _flag(False, "Read batching_params.pbtxt of each model.")
    model_config_file: str = _flag("", "Text file of ModelServerConfig: the models to serve.")
    model_config_file_poll_wait_seconds: int = _flag(0, "Seconds between readings of the model config file.")
    model_name: str = _flag("default", "Name of the model.")
    model_base_path: str = _flag("", "Folder with one folder per version, named by its number.")
    num_load_threads: int = _flag(0, "Versions loaded at a time, after the start; zero: one.")
    num_unload_threads: int = _flag(0, "Versions freed at a time; zero: one.")
    max_num_load_retries: int = _flag(5, "How often a load that failed is tried again.")
    load_retry_interval_micros: int = _flag(60_000_000, "Microseconds between such tries.")
    file_system_poll_wait_seconds: int = _flag(1, "Seconds between looks for new versions; zero: look once.")
    flush_filesystem_caches: bool = _ignored(True, "Drop cached model files after loading.")
    tensorflow_session_parallelism: int = _flag(0, "Threads for running a session; zero: as many as CPUs.")
    tensorflow_session_config_file: str = _flag("", "Text file of the session's ConfigProto.")
    tensorflow_intra_op_parallelism: int = _flag(0, "Threads within one operation; zero: as many as CPUs.")
    tensorflow_inter_op_parallelism: int = _flag(
        0, "Operations at a time; zero: as many as CPUs, small graphs in the thread of their request."
    )
    use_alts_credentials: bool = _refused(
        False, "Use Google ALTS credentials.", "they exist on Google's cloud only; use --ssl_config_file"
    )
    ssl_config_file: str = _flag("", "Text file of SSLConfig: serve gRPC over TLS.")
    platform_config_file: str = _refused(
        "",
        "Text file of PlatformConfigMap.",
        "it names C++ classes; use --tensorflow_session_config_file and --batching_parameters_file",
    )
    per_process_gpu_memory_fraction: float = _flag(0.0, "Fraction of each GPU's memory to take; zero: as needed.")
    saved_model_tags: str = _flag("serve", "Comma-separated tags of the MetaGraph to load.")
    grpc_channel_arguments: str = _flag("", "Comma-separated arguments of the gRPC server, key=value.")
    grpc_max_threads: int = _flag(_THREADS, "Threads that work on gRPC calls.")
    keep_threads_together: bool = _flag(
        True,
        "While calls are many and small keep all threads but TensorFlow's on one processor (not a flag of the real "
        "server).",
    )
    enable_model_warmup: bool = _flag(True, "Replay recorded requests after loading.")
    num_request_iterations_for_warmup: int = _flag(0, "How often each recorded request is replayed.")
    version: bool = _flag(False, "Display version.")
    monitoring_config_file: str = _flag("", "Text file of MonitoringConfig.")
    remove_unused_fields_from_bundle_metagraph: bool = _ignored(True, "Save memory.")
    prefer_tflite_model: bool = _flag(False, "Prefer model.tflite to saved_model.pb.")
    num_tflite_pools: int = _flag(_THREADS // 4, "Pools of TensorFlow Lite interpreters.")
    num_tflite_interpreters_per_pool: int = _flag(1, "Interpreters in each such pool.")
    enable_signature_method_name_check: bool = _flag(False, "Check method_name of signatures.")
    xla_cpu_compilation_enabled: bool = _ignored(False, "Enable XLA on CPUs.")
    xla_gpu_compilation_enabled: bool = _ignored(False, "Enable XLA.")
    enable_profiler: bool = _flag(True, "Enable the profiler service.")
    profiler_log_dir: str = _flag(
        "", "Folder that keeps profiles (not a flag of the real server, which writes where the client says)."
    )
    thread_pool_factory_config_file: str = _refused(
        "", "Text file of ThreadPoolConfig.", "it names C++ classes; use --tensorflow_intra_op_parallelism"
    )
    mixed_precision: str = _ignored("", "Mixed precision mode.")
    skip_initialize_tpu: bool = _ignored(False, "Leave the TPU alone.")
    enable_grpc_healthcheck_service: bool = _flag(True, "Enable the gRPC health service (grpc.health.v1).")
    enable_serialization_as_tensor_content: bool = _flag(False, "Send results as raw bytes, not as value fields.")


_FLAGS: Mapping[str, Any] = {flag.name: flag for flag in fields(ServerFlags)}


def usage() -> str:
    """Return the help text."""
    rows = [f"\t{_shown(flag):<33}\t{_type_name(flag)}\t{flag.metadata['help']}" for flag in _FLAGS.values()]
    return "\n".join(["usage: tensorflow_model_server", "Flags:", *rows])


def _type_name(flag: Any) -> str:
    if type(flag.default) is int:
        return "int64" if flag.name in _INT64_FLAGS else "int32"
    return _TYPE_NAMES[type(flag.default)]


def _shown(flag: Any) -> str:
    default = flag.default
    texts: dict[type, Callable[[Any], str]] = {str: lambda text: f'"{text}"', float: lambda number: f"{number:f}"}
    return f"--{flag.name}={texts.get(type(default), lambda value: str(value).lower())(default)}"


def parse_flags(argv: Sequence[str]) -> ServerFlags:
    """Parse a command line; ``--flag value`` is understood too, except for switches.

    Raises:
        SettingsError: an unknown flag, a value that cannot be read, or nothing to serve.
    """
    values: dict[str, Any] = {}
    rest = iter(argv)
    for argument in rest:
        name, has_value, text = argument.removeprefix("--").partition("=")
        flag = _FLAGS.get(name) if argument.startswith("--") else None
        if flag is None:
            raise SettingsError(f"unknown argument: {argument}")
        if not has_value:
            text = "true" if isinstance(flag.default, bool) else _next_value(rest, name)
        values[name] = _parse_value(flag, text)
    flags = ServerFlags(**values)
    if not flags.version:
        _check(flags)
    return flags


def _next_value(rest: Any, name: str) -> str:
    value: str | None = next(rest, None)
    if value is None or value.startswith("--"):
        raise SettingsError(f"--{name} needs a value: --{name}=VALUE")
    return value


def _parse_value(flag: Any, text: str) -> Any:
    parsers: dict[type, Callable[[str], Any]] = {bool: lambda value: _BOOLEANS[value.lower()], float: float, str: str}
    try:
        if type(flag.default) is int:
            return _parse_integer(text, _INT64 if flag.name in _INT64_FLAGS else _INT32)
        return parsers[type(flag.default)](text)
    except (KeyError, ValueError):
        raise SettingsError(f"Couldn't interpret value {text} for flag {flag.name}.") from None


def _parse_integer(text: str, values: range) -> int:
    """Unlike ``int`` it takes ASCII digits only.

    Raises:
        ValueError: the text is no integer among ``values``.
    """
    if not _INTEGER.fullmatch(text) or int(text) not in values:
        raise ValueError(text)
    return int(text)


def _check(flags: ServerFlags) -> None:
    for flag in _FLAGS.values():
        if flag.metadata.get("refused") and getattr(flags, flag.name) != flag.default:
            raise SettingsError(f"--{flag.name} is not available in the embedded server: {flag.metadata['refused']}")
    _check_sources(flags)
    for name in ("port", "rest_api_port"):
        if getattr(flags, name) not in _PORTS:
            raise SettingsError(f"--{name} must be from 0 to {_PORTS[-1]}; was {getattr(flags, name)}")
    for name, least in _LEAST.items():
        if not getattr(flags, name) >= least:  # nan is refused too
            raise SettingsError(f"--{name} must be at least {least}; was {getattr(flags, name)}")
    try:
        ipaddress.ip_address(flags.listen_address)
    except ValueError:
        raise SettingsError(
            f"--listen_address must be an IP address such as 0.0.0.0, 127.0.0.1 or ::1; was {flags.listen_address!r}"
        ) from None
    channel_arguments(flags.grpc_channel_arguments)


def _check_sources(flags: ServerFlags) -> None:
    if not flags.port and not flags.grpc_socket_path:
        raise SettingsError(
            "Failed to start server. Error: INVALID_ARGUMENT: At least one of server_options.grpc_port or "
            "server_options.grpc_socket_path must be set."
        )
    if flags.rest_api_port and flags.rest_api_port == flags.port:
        raise SettingsError(f"--rest_api_port cannot be the same as --port: both are {flags.port}")
    if not flags.model_base_path and not flags.model_config_file:
        raise SettingsError(
            "Failed to start server. Error: INVALID_ARGUMENT: Both server_options.model_base_path and "
            "server_options.model_config_file are empty!"
        )
    if (
        flags.tensorflow_session_parallelism
        > 0
        < max(flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism)
    ):
        raise SettingsError(
            "set either --tensorflow_session_parallelism or --tensorflow_intra_op_parallelism and "
            "--tensorflow_inter_op_parallelism"
        )


def channel_arguments(text: str) -> list[tuple[str, int | str]]:
    """Read ``--grpc_channel_arguments``: pairs ``key=value`` with commas between; 32-bit integers become int.

    Raises:
        SettingsError: a part is no pair.
    """
    pairs: list[tuple[str, int | str]] = []
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if not key or not value:
            raise SettingsError(f"--grpc_channel_arguments: {part!r} is no key=value")
        try:
            pairs.append((key, _parse_integer(value.strip(), _INT32)))
        except ValueError:
            pairs.append((key, value))
    return pairs
