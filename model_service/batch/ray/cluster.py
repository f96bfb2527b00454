"""Connecting to a Ray cluster, or starting one here, without a word of Ray's on the terminal."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from typing import Any

from model_service.errors import SettingsError

_CONNECT_SECONDS = 10.0
_LOOPBACK = "127.0.0.1"
_CLIENT_SCHEME = "ray://"
_PRIVACY = {"RAY_USAGE_STATS_ENABLED": "0"}  # nobody else is told that Ray is used
_QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal"}  # Ray's C++ parts write to our standard error


@dataclass(frozen=True)
class Cluster:
    """A cluster that we are connected to.

    Attributes:
        home_id: Ray's name for the node on which this process runs.
        cpus: node id -> CPUs that it has for the cluster, for every node that has any.
    """

    home_id: str
    cpus: Mapping[str, int]

    @property
    def cpus_per_node(self) -> float:
        """What our actor on each node reserves: so little that all find room on any single node, if that is left."""
        share = min(self.cpus.values()) / len(self.cpus)
        return float(int(share)) if share >= 1 else int(share * 10_000) / 10_000


def check_ray() -> None:
    """Raise SettingsError if Ray Data is not installed."""
    try:
        import ray.data  # noqa: F401
    except ImportError:
        raise SettingsError("--engine ray needs Ray; install it with: pip install 'tf-model-service[ray]'") from None


@contextmanager
def connected(address: str | None, is_verbose: bool) -> Iterator[Cluster]:
    """Be connected to a cluster for the length of a ``with`` block.

    Args:
        address: ``HOST:PORT`` of its head, or ``auto`` for one that runs on this machine; None: start one here, with
            the CPUs that this process may use, and end it afterwards.
        is_verbose: let Ray write to standard error what it would.

    Raises:
        SettingsError: Ray is not installed, or the cluster cannot be reached or used.
    """
    _check_address(address)
    check_ray()
    with _environment(_PRIVACY if is_verbose else {**_PRIVACY, **_QUIET}), _output(is_verbose):
        import ray

        try:
            _start(ray, address, is_verbose)
            yield _look_around(ray, address)
        finally:
            ray.shutdown()


def _check_address(address: str | None) -> None:
    if address is None:
        return
    if address.startswith(_CLIENT_SCHEME):
        raise SettingsError(
            f"--ray-address {address}: Ray Data does not run through Ray's client; run this command on a node of the "
            "cluster, with --ray-address auto or HOST:PORT of its head"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return  # auto, or a name that Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise SettingsError(f"--ray-address {address}: no cluster can be reached there: {error}") from error


def _start(ray: Any, address: str | None, is_verbose: bool) -> None:
    options = {
        "address": address or "local",
        "log_to_driver": is_verbose,
        "logging_level": logging.WARNING if is_verbose else logging.CRITICAL,
    }
    if address is None:
        options |= {
            "num_cpus": len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "_node_ip_address": _LOOPBACK,  # nobody else has business with it
        }
    try:
        with _interrupts_held(address is None), nullcontext() if is_verbose else _standard_error_aside():
            ray.init(**options)
    except Exception as error:  # Ray raises many kinds, RuntimeError and ConnectionError among them
        where = f"--ray-address {address}" if address is not None else "--engine ray"
        raise SettingsError(f"{where}: Ray cannot be used: {in_one_line(error)}") from error


@contextmanager
def _interrupts_held(is_starting: bool) -> Iterator[None]:
    """Leave the handlers of signals as they were, which Ray does not; keep Ctrl-C for later while a cluster starts.

    A cluster whose start is interrupted leaves processes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    on_interrupt, on_terminate = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    if is_starting:
        signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    except SystemExit:  # how Ray's own handler takes SIGTERM
        held.append(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, on_interrupt)
        signal.signal(signal.SIGTERM, on_terminate)
    if held:
        signal.raise_signal(held[0])


def _look_around(ray: Any, address: str | None) -> Cluster:
    cpus = {
        node["NodeID"]: int(node["Resources"]["CPU"])
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    }
    if not cpus:
        raise SettingsError(f"--ray-address {address}: no node of the cluster has a CPU to work with")
    return Cluster(ray.get_runtime_context().get_node_id(), cpus)


def in_one_line(error: BaseException) -> str:
    """What an error of Ray's says, without its stack of other processes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    is_stack = any(line.startswith("File ") for line in lines)
    return lines[-1] if is_stack else " ".join(lines)[:500]


@contextmanager
def _standard_error_aside() -> Iterator[None]:
    """Send standard error nowhere: Ray's C++ parts write to it before they heed their settings."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set; afterwards the environment is as it was."""
    added = [name for name in variables if name not in os.environ]
    os.environ.update({name: variables[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _output(is_verbose: bool) -> Iterator[None]:
    """Keep what Ray prints from standard output, where results are, and unless verbose from standard error."""
    if is_verbose:
        with redirect_stdout(sys.stderr):
            yield
        return
    _silence_loggers()
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _silence_loggers() -> None:
    """Take the handlers for the terminal from Ray's loggers; those for its files stay."""
    for name in ("ray", "ray.data"):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                logger.removeHandler(handler)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
