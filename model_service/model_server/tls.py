"""TLS for gRPC: ``--ssl_config_file``, whose keys and certificates stand in the file itself."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

import grpc

from model_service.model_server.own_messages import SSLConfig
from model_service.model_server.status import Code, ServingError
from model_service.model_server.text_protos import read_text_proto


def read_credentials(path: str) -> grpc.ServerCredentials:
    """Read a text file of SSLConfig: PEM texts of key and certificate, maybe of a CA that clients are checked against.

    Raises:
        ServingError: the file cannot be read, or what it holds is no key with its certificate.
    """
    config = read_text_proto(path, SSLConfig)
    _check(config, path)
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        config.custom_ca.encode() or None,
        config.client_verify,
    )


def _check(config: Any, path: str) -> None:
    """GRPC itself would take anything, listen, and fail every handshake."""
    if config.client_verify and not config.custom_ca:
        raise ServingError(Code.INVALID_ARGUMENT, f"{path}: client_verify needs custom_ca to verify clients against")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory(prefix="model-server-tls-") as folder:  # a folder for this user only
        chain = Path(folder) / "chain.pem"
        chain.touch(mode=0o600)
        chain.write_text(f"{config.server_key}\n{config.server_cert}\n", "utf-8")
        try:
            context.load_cert_chain(chain)
            if config.custom_ca:
                context.load_verify_locations(cadata=config.custom_ca)
        except (OSError, ValueError) as error:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"{path}: server_key, server_cert and custom_ca must be PEM texts that fit: {error}",
            ) from error
