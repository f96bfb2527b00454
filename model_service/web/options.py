"""The options of ``model-service serve``."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_service.errors import SettingsError
from model_service.inference.images import DEFAULT_MAX_PIXELS
from model_service.settings import (
    Option,
    add_options,
    boolean,
    one_of,
    positive_seconds,
    resolve,
    whole_number,
)

_MODES = one_of("off", "warn", "coerce", "strict")
_PORT = whole_number(0, 65535)

OPTIONS = (
    Option(
        "host",
        str,
        "127.0.0.1",
        "address to listen on; any but loopback needs --auth-file or --no-auth",
        "ADDR",
    ),
    Option("port", _PORT, 8080, "port to listen on; 0: a free one", "N"),
    Option(
        "backend",
        str,
        "auto",
        "model server: auto, embedded, tensorflow_model_server, the path of such a binary, HOST:PORT or unix:/path",
    ),
    Option(
        "sidecar",
        one_of("auto", "always", "never"),
        "auto",
        "when to start the model server: auto, always, never",
    ),
    Option("sidecar-grpc-port", _PORT, 0, "TCP port for gRPC of the local model server; 0: unix socket only", "N"),
    Option("sidecar-rest-port", _PORT, 0, "TCP port for REST of the local model server; 0: none", "N"),
    Option("workers", whole_number(1, 256), 1, "worker processes", "N"),
    Option("threads", whole_number(1, 256), 8, "requests worked on at once, per worker", "N"),
    Option("queue", whole_number(0, 100_000), 64, "requests that may wait for a thread, per worker", "N"),
    Option("cpu-affinity", one_of("auto", "off"), "auto", "auto: a busy worker with small requests keeps to one CPU"),
    Option("model-name", str, "serve", "name of the model on the model server", "NAME"),
    Option("service", Path, None, "file to use instead of the package's customize_service.py", "FILE"),
    Option(
        "validate-request",
        _MODES,
        None,
        "off, warn, coerce or strict (default: config.json, else strict)",
        "MODE",
    ),
    Option(
        "validate-response",
        _MODES,
        None,
        "off, warn, coerce or strict (default: config.json, else warn)",
        "MODE",
    ),
    Option("auth-file", Path, None, "file of 'name token' lines; only these callers are answered", "FILE"),
    Option("no-auth", boolean, False, "answer anybody, also on an address that others can reach"),
    Option("max-body-bytes", whole_number(1, 1 << 31), 12 * 1024 * 1024, "largest request body", "N"),
    Option("max-image-pixels", whole_number(1, 1 << 40), DEFAULT_MAX_PIXELS, "largest image, width x height", "N"),
    Option("body-timeout", positive_seconds, 20.0, "seconds a body may take to arrive", "SECONDS"),
    Option("request-timeout", positive_seconds, 65.0, "seconds until the caller gets 504", "SECONDS"),
    Option(
        "drain-timeout",
        whole_number(1, 3600),
        30,
        "seconds that requests in flight get at the end",
        "SECONDS",
    ),
    Option(
        "log-level",
        one_of("debug", "info", "warning", "error"),
        "info",
        "debug, info, warning or error",
        "LEVEL",
    ),
    Option("access-log", boolean, False, "log every request, not only those that fail"),
)


@dataclass(frozen=True)
class ServeOptions:
    """Every option of the command, parsed; see :data:`OPTIONS` for what each means. Times are in seconds."""

    package: Path
    host: str
    port: int
    backend: str
    sidecar: str
    sidecar_grpc_port: int
    sidecar_rest_port: int
    workers: int
    threads: int
    queue: int
    cpu_affinity: str
    model_name: str
    service: Path | None
    validate_request: str | None
    validate_response: str | None
    auth_file: Path | None
    no_auth: bool
    max_body_bytes: int
    max_image_pixels: int
    body_timeout: float
    request_timeout: float
    drain_timeout: int
    log_level: str
    access_log: bool


def parse_options(argv: Sequence[str], environ: Mapping[str, str]) -> ServeOptions:
    """Parse the command line, the environment and TF_MODEL_ARGS.

    Raises:
        SettingsError: something is unusable, or the address would be open to others unasked.
        SystemExit: ``--help``, or the parser's own usage error (status 2).
    """
    parser = argparse.ArgumentParser(
        prog="model-service serve", description="Serve a model package over HTTP.", allow_abbrev=False
    )
    parser.add_argument(
        "package", nargs="?", help="folder that holds model/, model/ itself, a training output or an archive"
    )
    add_options(parser, OPTIONS)
    flags = vars(parser.parse_args(argv))
    legacy = _legacy_arguments(environ.get("TF_MODEL_ARGS", ""))
    package = flags.pop("package") or legacy.get("package")
    if package is None:
        raise SettingsError("name a package: model-service serve PACKAGE")
    options = ServeOptions(package=Path(package), **resolve(OPTIONS, flags, environ, legacy))
    _check_exposure(options)
    return options


def _legacy_arguments(text: str) -> dict[str, str]:
    """Read the original server's flags, which came in one variable; ``tf_server_name`` never had an effect.

    Raises:
        SettingsError: a flag lacks its value.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--model_path", dest="package")
    parser.add_argument("--model_name")
    parser.add_argument("--service_file", dest="service")
    try:
        known, _ = parser.parse_known_args(text.split())
    except argparse.ArgumentError as error:
        raise SettingsError(f"TF_MODEL_ARGS {text}: {error}") from error
    return {key: value for key, value in vars(known).items() if value is not None}


def _check_exposure(options: ServeOptions) -> None:
    if options.auth_file is not None and options.no_auth:
        raise SettingsError("--auth-file and --no-auth exclude each other")
    if options.auth_file is None and not options.no_auth and not _is_loopback(options.host):
        raise SettingsError(
            f"--host {options.host}: others can reach this address; add --auth-file FILE to answer known callers only, "
            "or --no-auth to answer anybody"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise SettingsError(f"--host {host}: must be an IP address or localhost") from error
