"""Which model server is used, and how it is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model_service.errors import SettingsError

BINARY_NAME = "tensorflow_model_server"
EMBEDDED = "embedded"
REMOTE = "remote"
AUTO = "auto"

_TENSOR_CONTENT_FLAG = "enable_serialization_as_tensor_content"
_HELP_TIMEOUT_SECONDS = 20
_MAX_SOCKET_PATH_BYTES = 107
_DEFAULT_REMOTE_PORT = "8500"


@dataclass(frozen=True)
class BackendPlan:
    """A chosen model server.

    Attributes:
        kind: ``tensorflow_model_server``, ``embedded`` or ``remote``.
        target: its gRPC address, ``unix:/path`` or ``host:port``.
        model_name: the model's name on it.
        command: what starts it; empty for a remote one.
    """

    kind: str
    target: str
    model_name: str
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class SidecarOptions:
    """How a local model server is started.

    Attributes:
        folder: private folder for its socket.
        model_base_path: the folder with the version folders.
        model_name: the name it serves the model under.
        grpc_port: TCP port for gRPC beside the socket (the real server listens on all interfaces); 0: none.
        rest_port: TCP port for REST; 0: none.
    """

    folder: Path
    model_base_path: Path
    model_name: str
    grpc_port: int = 0
    rest_port: int = 0


def choose_backend(wanted: str, environ: Mapping[str, str], options: SidecarOptions) -> BackendPlan:
    """Choose the model server.

    Args:
        wanted: ``auto``, ``embedded``, ``tensorflow_model_server``, the path of such a binary, or the address of a
            running server (``HOST:PORT`` or ``unix:/path``). ``auto``: the address in ``TF_SERVER_NAME`` and
            ``TF_SERVER_PORT``, else the binary on PATH, else embedded.
        environ: the environment.
        options: for a local one.

    Raises:
        SettingsError: ``wanted`` is none of these, or the binary is missing.
    """
    if wanted == AUTO:
        name = environ.get("TF_SERVER_NAME")
        if name:
            port = environ.get("TF_SERVER_PORT") or _DEFAULT_REMOTE_PORT
            if not _is_port(port):
                raise SettingsError(f"TF_SERVER_PORT {port}: must be a port number, from 1 to 65535")
            return BackendPlan(REMOTE, f"{name}:{port}", options.model_name)
        found = shutil.which(BINARY_NAME, path=environ.get("PATH"))
        return _binary_plan(found, options) if found else _embedded_plan(options)
    if wanted == EMBEDDED:
        return _embedded_plan(options)
    if wanted == BINARY_NAME or (os.sep in wanted and not wanted.startswith("unix:")):
        found = shutil.which(wanted, path=environ.get("PATH"))
        if found is None:
            raise SettingsError(f"--backend {wanted}: no such executable; install it or use --backend embedded")
        return _binary_plan(found, options)
    return BackendPlan(REMOTE, _checked_address(wanted), options.model_name)


def _checked_address(address: str) -> str:
    if address.startswith("unix:") and address != "unix:":
        return address
    host, _, port = address.rpartition(":")
    if not (host and _is_port(port)):
        raise SettingsError(
            f"--backend {address}: takes auto, embedded, {BINARY_NAME}, the path of such a binary, HOST:PORT "
            "or unix:/path"
        )
    return address


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def _embedded_plan(options: SidecarOptions) -> BackendPlan:
    return _local_plan(EMBEDDED, (sys.executable, "-m", "model_service.model_server"), options, True)


def _binary_plan(binary: str, options: SidecarOptions) -> BackendPlan:
    return _local_plan(BINARY_NAME, (os.path.abspath(binary),), options, _knows_tensor_content(binary))


def _local_plan(
    kind: str, program: tuple[str, ...], options: SidecarOptions, knows_tensor_content: bool
) -> BackendPlan:
    socket_path = options.folder / "grpc.sock"
    if len(os.fsencode(socket_path)) > _MAX_SOCKET_PATH_BYTES:
        raise SettingsError(
            f"{socket_path}: longer than the {_MAX_SOCKET_PATH_BYTES} bytes a unix socket may have; set TMPDIR to a "
            "shorter path"
        )
    flags = [
        f"--port={options.grpc_port}",
        f"--rest_api_port={options.rest_port}",
        f"--grpc_socket_path={socket_path}",
        f"--model_name={options.model_name}",
        f"--model_base_path={options.model_base_path}",
        "--max_num_load_retries=0",  # a package that is broken now is so in a minute; say it at once
    ]
    if knows_tensor_content:
        flags.append(f"--{_TENSOR_CONTENT_FLAG}=true")
    return BackendPlan(kind, f"unix:{socket_path}", options.model_name, (*program, *flags))


def _knows_tensor_content(binary: str) -> bool:
    """Ask the binary for its flags; one that it does not know must not be given to it."""
    try:
        result = subprocess.run([binary, "--help"], capture_output=True, timeout=_HELP_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SettingsError(f"{binary}: cannot be run: {error}") from error
    return _TENSOR_CONTENT_FLAG.encode() in result.stdout + result.stderr
