"""Listening on TCP ports and unix sockets, without taking over what belongs to a living server."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from pathlib import Path

import grpc

from model_service.model_server.status import Code, ServingError

_MAX_PATH_BYTES = 107
_TRIAL_SECONDS = 2.0
_OWNER_ONLY = 0o077


def listen_tcp(server: grpc.Server, address: str) -> None:
    """Have a server listen on ``host:port``.

    Raises:
        ServingError: the address cannot be bound.
    """
    _bind(server, address)


class UnixSocket:
    """A unix socket path, owned by at most one server.

    gRPC silently takes a path over from a server that listens on it, so a lock file is held as long as the socket is.

    Args:
        path: absolute or relative, at most 107 bytes.
    """

    def __init__(self, path: str):
        self._path = path
        self._lock_path = f"{path}.lock"
        self._lock: int | None = None
        self._is_bound = False

    def listen(self, server: grpc.Server) -> None:
        """Bind; the socket is for this user only. What a killed server left behind is removed.

        Raises:
            ServingError: another server listens there, something else has this name, or the path is unusable.
        """
        if len(os.fsencode(self._path)) > _MAX_PATH_BYTES:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"{self._path}: a unix socket's path has at most {_MAX_PATH_BYTES} bytes"
            )
        self._lock = self._take_lock()
        self._remove_stale()
        before = os.umask(_OWNER_ONLY)
        try:
            _bind(server, f"unix:{self._path}")
            self._is_bound = True
        finally:
            os.umask(before)

    def close(self) -> None:
        """Remove socket and lock file, if they are ours."""
        if self._lock is None:
            return
        if self._is_bound:
            Path(self._path).unlink(missing_ok=True)
        Path(self._lock_path).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def _take_lock(self) -> int:
        while True:
            try:
                lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise ServingError(Code.INVALID_ARGUMENT, f"{self._lock_path}: {error.strerror}") from error
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.exists(self._lock_path) and os.path.samestat(os.fstat(lock), os.stat(self._lock_path)):
                    return lock
            except BlockingIOError as error:
                os.close(lock)
                raise self._taken() from error
            except FileNotFoundError:
                pass
            os.close(lock)  # its owner removed the file in between

    def _remove_stale(self) -> None:
        try:
            mode = os.lstat(self._path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise ServingError(Code.INVALID_ARGUMENT, f"{self._path}: exists and is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            trial.settimeout(_TRIAL_SECONDS)
            try:
                trial.connect(self._path)
            except ConnectionRefusedError:
                os.unlink(self._path)
                return
            except OSError as error:
                raise ServingError(Code.INVALID_ARGUMENT, f"{self._path}: {error}") from error
        raise self._taken()

    def _taken(self) -> ServingError:
        return ServingError(Code.INVALID_ARGUMENT, f"{self._path}: another server listens there")


def _bind(server: grpc.Server, address: str) -> None:
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        bound, reason = 0, str(error)
    else:
        reason = "cannot bind"
    if not bound:
        raise ServingError(Code.INVALID_ARGUMENT, f"Failed to BuildAndStart gRPC server: {address}: {reason}")
