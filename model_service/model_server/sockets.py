"""Listening on TCP ports and unix sockets."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from pathlib import Path

import grpc

from model_service.model_server.status import Code, ServingError

_log = logging.getLogger(__name__)

_MAX_PATH_BYTES = 107
_OWNER_ONLY = 0o077


def joined_address(host: str, port: int) -> str:
    """Return ``host:port``, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_tcp(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None) -> None:
    """Have a server listen on ``host:port``.

    Args:
        server: the server.
        address: where to listen.
        credentials: for TLS; None: without.

    Raises:
        ServingError: the address cannot be bound.
    """
    _bind(server, address, credentials)


class UnixSocket:
    """A unix socket path.

    The path is taken over from a server that listens on it, as the real server does, but aloud; a lock file tells which
    living server has the path. gRPC binds another name, which then gets this path: at its end it removes the name that
    it bound, and would remove the socket of a server that has taken the path over.

    Args:
        path: absolute or relative, at most 107 bytes.
    """

    def __init__(self, path: str):
        self._path = path
        self._lock_path = f"{path}.lock"
        self._lock: int | None = None
        self._inode: int | None = None

    def listen(self, server: grpc.Server, credentials: grpc.ServerCredentials | None) -> None:
        """Bind; the socket is for this user only. What a killed server left behind is replaced.

        Args:
            server: the server.
            credentials: for TLS; None: without.

        Raises:
            ServingError: something that is no socket has this name, or the path is unusable.
        """
        bound = f"{self._path}.{os.getpid()}"
        if len(os.fsencode(bound)) > _MAX_PATH_BYTES:
            bound = str(Path(self._path).with_name(f".{os.getpid()}"))
        if max(len(os.fsencode(path)) for path in (self._path, bound)) > _MAX_PATH_BYTES:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"{self._path}: a unix socket's path has at most {_MAX_PATH_BYTES} bytes"
            )
        self._lock = self._take_lock()
        self._refuse_others()
        if self._lock is None:
            _log.warning("%s: another server listens there; this one takes the path over from it", self._path)
        before = os.umask(_OWNER_ONLY)
        try:
            _bind(server, f"unix:{bound}", credentials)
            self._inode = os.stat(bound).st_ino
            os.replace(bound, self._path)
        finally:
            os.umask(before)

    def close(self) -> None:
        """Remove socket and lock file, if they are still ours."""
        try:
            if self._inode is not None and os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            pass
        if self._lock is not None:
            Path(self._lock_path).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> int | None:
        """Return the lock, or None if another server has it."""
        while True:
            try:
                lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise ServingError(Code.INVALID_ARGUMENT, f"{self._lock_path}: {error.strerror}") from error
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.exists(self._lock_path) and os.path.samestat(os.fstat(lock), os.stat(self._lock_path)):
                    return lock
            except BlockingIOError:
                os.close(lock)
                return None
            except FileNotFoundError:
                pass
            os.close(lock)  # its owner removed the file in between

    def _refuse_others(self) -> None:
        try:
            mode = os.lstat(self._path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise ServingError(Code.INVALID_ARGUMENT, f"{self._path}: exists and is no socket")


def _bind(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None) -> None:
    try:
        if credentials is None:
            bound = server.add_insecure_port(address)
        else:
            bound = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        bound, reason = 0, str(error)
    else:
        reason = "cannot bind"
    if not bound:
        raise ServingError(Code.INVALID_ARGUMENT, f"Failed to BuildAndStart gRPC server: {address}: {reason}")
