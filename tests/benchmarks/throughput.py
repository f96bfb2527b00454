"""Throughput, CPU and memory of the service, beside a plain Flask app with the model in its process.

``python tests/benchmarks/throughput.py [--seconds 8]``. Figures depend on the machine; the ratios are what to compare.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from load import Measured, cpu_seconds, proportional_megabytes, run_load
from PIL import Image

from model_service.client.local import serve_package

HERE = Path(__file__).parent
CLIENTS = (1, 8, 32)
START_SECONDS = 60


@dataclass
class System:
    """A running system under load: its address, its processes by role, and what was measured."""

    name: str
    url: str
    start_seconds: float
    pids: Mapping[str, int]
    runs: dict[int, tuple[Measured, dict[str, float]]] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)


def children(pid: int) -> list[int]:
    """Direct children, by /proc."""
    lists = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for each in lists for child in each.read_text().split()]


@contextmanager
def our_service(package: Path) -> Iterator[System]:
    """The service with the embedded model server, contract strict both ways."""
    started = time.perf_counter()
    with serve_package(package, "--backend", "embedded", "--validate-response", "strict") as service:
        seconds = time.perf_counter() - started
        pids = {"parent": service.pid}
        for pid in children(service.pid):
            is_sidecar = b"model_service.model_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
            pids["model server" if is_sidecar else "worker"] = pid
        yield System("model-service", service.url, seconds, pids)


@contextmanager
def flask_in_process(saved_model: Path) -> Iterator[System]:
    """The plain Flask app."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    started = time.perf_counter()
    command = [sys.executable, str(HERE / "flask_in_process.py"), str(saved_model), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for_port(port)
        yield System(
            "Flask, model inside", f"http://127.0.0.1:{port}/", time.perf_counter() - started, {"worker": process.pid}
        )
    finally:
        process.kill()
        process.wait()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit("the Flask app did not start")


def measure(system: System, picture: bytes, seconds: float) -> None:
    """Load a system with every number of clients, after a warm-up."""
    run_load(system.url, picture, 8, 1.0)
    for clients in CLIENTS:
        before = {role: cpu_seconds(pid) for role, pid in system.pids.items()}
        measured = run_load(system.url, picture, clients, seconds)
        used = {role: cpu_seconds(pid) - before[role] for role, pid in system.pids.items()}
        cpu_us = {role: spent / max(measured.requests, 1) * 1e6 for role, spent in used.items()}
        system.runs[clients] = measured, cpu_us
    system.megabytes = {role: proportional_megabytes(pid) for role, pid in system.pids.items()}


def report(systems: list[System]) -> None:
    """Print what was measured, and ratios."""
    for system in systems:
        memory = ", ".join(f"{role} {megabytes:.0f}" for role, megabytes in system.megabytes.items())
        print(f"\n{system.name}: start {system.start_seconds:.1f} s; memory (PSS) in MB: {memory}")
        print(f"{'clients':>8} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'failed':>7}   CPU us per request")
        for clients, (run, cpu_us) in system.runs.items():
            cpu_text = ", ".join(f"{role} {spent:.0f}" for role, spent in cpu_us.items() if role != "parent")
            p50, p99 = run.percentile_ms(50), run.percentile_ms(99)
            print(f"{clients:>8} {run.per_second:>8.0f} {p50:>8.2f} {p99:>8.2f} {run.failures:>7}   {cpu_text}")
    ours, plain = systems
    print(f"\nratios, {ours.name} to {plain.name}:")
    for clients in CLIENTS:
        speed = ours.runs[clients][0].per_second / plain.runs[clients][0].per_second
        cpu = ours.runs[clients][1]["worker"] / plain.runs[clients][1]["worker"]
        print(f"{clients:>8} clients: {speed:.2f} x the requests per second, {cpu:.2f} x the CPU per request")
    print(f"   worker memory: {ours.megabytes['worker'] / plain.megabytes['worker']:.2f} x")


def main() -> None:
    """Build the model and the package, run both systems one after the other, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each run (default: 8)")
    arguments = parser.parse_args()
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (28, 28), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    with tempfile.TemporaryDirectory() as folder:
        saved_model = Path(folder) / "digits"
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        build = [sys.executable, str(HERE.parent / "models.py"), "digits", str(saved_model)]
        subprocess.run(build, check=True, env=environment, stderr=subprocess.DEVNULL)
        package = Path(folder) / "package"
        shutil.copytree(HERE.parent / "packages" / "digits", package)
        shutil.copytree(saved_model, package / "model", dirs_exist_ok=True)
        systems = []
        for running in (our_service(package), flask_in_process(saved_model)):
            with running as system:
                measure(system, buffer.getvalue(), arguments.seconds)
                systems.append(system)
        report(systems)


if __name__ == "__main__":
    main()
