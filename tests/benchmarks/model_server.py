"""The embedded model server alone: requests per second and server CPU per one-row Predict, over gRPC on a unix socket.

``python tests/benchmarks/model_server.py [--seconds 5] [--case NAME ...]``. Every case is one server with one model and
its own flags; the clients are threads of a process of their own. Figures depend on the machine; compare the ratios.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
from load import cpu_seconds, proportional_megabytes

from model_service.tfs.protos import predict_pb2
from model_service.tfs.tensors import make_tensor_proto

PREDICT = "/tensorflow.serving.PredictionService/Predict"
START_SECONDS = 60
PIXELS = 784

MODELS = """
import sys
import tensorflow as tf

def save(directory, *layers):
    model = tf.keras.Sequential([tf.keras.Input([784], name="x"), *layers])
    model.export(directory, verbose=False)

dense = tf.keras.layers.Dense
save(sys.argv[1] + "/small/1", dense(10, activation="softmax"))
save(sys.argv[1] + "/wide/1", dense(2048, activation="relu"), dense(2048, activation="relu"))
"""

BATCHING = """
max_batch_size { value: 8 }
batch_timeout_micros { value: 4000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 1 }
"""
BATCHED = (
    "--enable_serialization_as_tensor_content",
    "--enable_batching",
    "--batching_parameters_file={folder}/batching",
)
POOL = ("--tensorflow_inter_op_parallelism=2",)
MONITORING = "prometheus_config { enable: true }"


@dataclass(frozen=True)
class Case:
    """One server: its model, its flags ({} stands for the folder), and how many clients drive it."""

    model: str
    flags: Sequence[str] = ()
    clients: Sequence[int] = (1, 8, 32)


CASES: Mapping[str, Case] = {
    "784x10": Case("small", ("--enable_serialization_as_tensor_content",)),
    "784x10, monitoring": Case("small", ("--rest_api_port={port}", "--monitoring_config_file={folder}/monitoring")),
    "784x10, value fields": Case("small"),
    "784x2048x2048": Case("wide", ("--enable_serialization_as_tensor_content",), clients=(8,)),
    "784x2048x2048, batching": Case("wide", BATCHED, clients=(8,)),
    # TensorFlow's usual way, in which every run is handed to the session's threads.
    "784x2048x2048, pool": Case("wide", POOL, clients=(8,)),
    "784x2048x2048, pool, batch.": Case("wide", (*POOL, *BATCHED), clients=(8,)),
}


def _run_clients(target: str, clients: int, seconds: float) -> None:
    """Drive a server from this process, and print the latencies in milliseconds."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "m"
    row = np.random.default_rng(0).random((1, PIXELS), dtype=np.float32)
    request.inputs["x"].CopyFrom(make_tensor_proto(row))
    content = request.SerializeToString()
    latencies: list[float] = []

    def drive(deadline: float) -> None:
        with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            predict: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PREDICT)
            while (started := time.perf_counter()) < deadline:
                predict(content, timeout=30)
                latencies.append(time.perf_counter() - started)

    deadline = time.perf_counter() + seconds
    threads = [threading.Thread(target=drive, args=(deadline,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ordered = sorted(latencies)
    p50, p99 = (1000 * ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    print(len(latencies), p50, p99)


def _drive(target: str, clients: int, seconds: float) -> tuple[int, float, float]:
    command = [sys.executable, __file__, "--drive", target, "--clients", str(clients), "--seconds", str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)
    count, p50, p99 = done.stdout.split()
    return int(count), float(p50), float(p99)


@contextmanager
def _server(folder: Path, case: Case) -> Iterator[tuple[int, str]]:
    """Start a server; yield its process id and address."""
    socket_path = folder / "socket"
    flags = [flag.format(folder=folder, port=_free_port()) for flag in case.flags]
    own = [
        "--model_name=m",
        f"--model_base_path={folder / case.model}",
        "--port=0",
        f"--grpc_socket_path={socket_path}",
    ]
    command = [sys.executable, "-m", "model_service.model_server", *own, *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "Running gRPC ModelServer" in line:
                break
        else:
            raise SystemExit(f"the server did not start: {command}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process.pid, f"unix:{socket_path}"
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _measure(name: str, folder: Path, seconds: float) -> None:
    case = CASES[name]
    with _server(folder, case) as (pid, target):
        _drive(target, 8, 1.0)
        for clients in case.clients:
            before = cpu_seconds(pid)
            count, p50, p99 = _drive(target, clients, seconds)
            cpu_us = (cpu_seconds(pid) - before) / count * 1e6
            print(f"{name:<27} {clients:>7} {count / seconds:>8.0f} {p50:>8.2f} {p99:>8.2f} {cpu_us:>8.0f}")
        print(f"{name:<27} memory (PSS): {proportional_megabytes(pid):.0f} MB")


def main() -> None:
    """Write the models, run the cases one after the other, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run (default: 5)")
    parser.add_argument("--case", action="append", choices=list(CASES), help="only these")
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=8, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        _run_clients(arguments.drive, arguments.clients, arguments.seconds)
        return
    with tempfile.TemporaryDirectory(prefix="ms-") as name:
        folder = Path(name)
        (folder / "batching").write_text(BATCHING)
        (folder / "monitoring").write_text(MONITORING)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        subprocess.run([sys.executable, "-c", MODELS, name], check=True, env=environment, stderr=subprocess.DEVNULL)
        print(f"{'case':<27} {'clients':>7} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8}")
        for each in arguments.case or CASES:
            _measure(each, folder, arguments.seconds)


if __name__ == "__main__":
    main()
