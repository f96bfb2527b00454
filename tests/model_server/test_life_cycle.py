"""Start, addresses, new versions, drain, end."""

from __future__ import annotations

import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from model_service.tfs.protos import get_model_status_pb2

from .conftest import free_port, wait_until

FAILURE = 255
END = get_model_status_pb2.ModelVersionStatus.END


def test_tcp_and_a_unix_socket_at_once(start: Any, connect: Any, socket_folder: Path) -> None:
    port = free_port()
    server = start("half_plus_two", f"--port={port}")
    client = connect(server)
    assert f"Running gRPC ModelServer at 127.0.0.1:{port} ..." in server.log
    server.wait_for("Only this machine is answered; --listen_address=0.0.0.0")
    assert client.predict(x=[[2.0]]).model_spec.version.value == 123
    server.wait_for("Running gRPC ModelServer at UNIX socket")
    second = start("half_plus_two", f"--port={port}", ready=False)
    assert second.wait() == FAILURE
    assert "Failed to start server. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server" in second.log


def test_socket_is_private_and_removed_at_the_end(start: Any, socket_folder: Path) -> None:
    path = socket_folder / "private.sock"
    server = start("half_plus_two", f"--grpc_socket_path={path}")
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert server.stop() == 0
    assert not path.exists()
    assert list(socket_folder.glob("private*")) == []


def test_the_address_to_listen_on_can_be_chosen(start: Any, connect: Any) -> None:
    port, rest_port = free_port(), free_port()
    addresses = (f"--port={port}", f"--rest_api_port={rest_port}", "--listen_address=127.0.0.2")
    server = start("half_plus_two", *addresses)
    assert f"Running gRPC ModelServer at 127.0.0.2:{port} ..." in server.log
    assert "Only this machine" not in server.log
    for number in (port, rest_port):
        socket.create_connection(("127.0.0.2", number), timeout=5).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", number), timeout=5)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address(start: Any) -> None:
    port, rest_port = free_port(), free_port()
    server = start("half_plus_two", f"--port={port}", f"--rest_api_port={rest_port}", "--listen_address=::1")
    assert f"Running gRPC ModelServer at [::1]:{port} ..." in server.log
    for number in (port, rest_port):
        socket.create_connection(("::1", number), timeout=5).close()


def test_an_address_of_another_machine_ends_the_start(start: Any) -> None:
    flags = (f"--port={free_port()}", "--listen_address=192.0.2.1")
    server = start("half_plus_two", *flags, ready=False)
    assert server.wait() == FAILURE
    assert "Failed to start server. Error: INVALID_ARGUMENT: Failed to BuildAndStart gRPC server" in server.log
    assert "Traceback" not in server.log


def test_a_stale_socket_is_replaced(start: Any, connect: Any, socket_folder: Path) -> None:
    path = socket_folder / "stale.sock"
    start("half_plus_two", f"--grpc_socket_path={path}").stop(signal.SIGKILL)
    assert path.exists()
    server = start("half_plus_two", f"--grpc_socket_path={path}")
    assert "another server listens there" not in server.log
    assert connect(server).predict(x=[[2.0]]).model_spec.version.value == 123


def test_a_socket_is_taken_over_aloud_and_kept(start: Any, connect: Any, socket_folder: Path) -> None:
    path = socket_folder / "taken.sock"
    first = start("half_plus_two", f"--grpc_socket_path={path}")
    second = start("signatures", f"--grpc_socket_path={path}")
    assert "another server listens there; this one takes the path over from it" in second.log
    assert first.stop() == 0
    client = connect(second)
    assert client.predict(signature="triple", x=[[2.0]]).outputs["y"].float_val == [6.0]
    assert second.stop() == 0
    assert list(socket_folder.glob("taken*")) == []


def test_what_is_no_socket_is_respected(start: Any, socket_folder: Path) -> None:
    path = socket_folder / "file.sock"
    path.write_text("not a socket", encoding="utf-8")
    server = start("half_plus_two", f"--grpc_socket_path={path}", ready=False)
    assert server.wait() == FAILURE
    assert "exists and is no socket" in server.log
    assert path.read_text(encoding="utf-8") == "not a socket"


def test_a_socket_path_that_is_too_long(start: Any, tmp_path: Path) -> None:
    server = start("half_plus_two", f"--grpc_socket_path={tmp_path / ('x' * 110)}", ready=False)
    assert server.wait() == FAILURE
    assert "at most 107 bytes" in server.log


def test_sigterm_finishes_what_is_in_flight(start: Any, connect: Any) -> None:
    server = start("slow")
    client = connect(server)
    client.predict(n=1)
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(client.predict, n=500_000) for _ in range(4)]
        time.sleep(0.3)
        assert not any(answer.done() for answer in answers)
        assert server.stop() == 0
        for answer in answers:
            assert answer.result(10).outputs["counted"].int_val == [500_000]


def test_it_waits_for_a_first_version_and_swaps_in_a_second(
    start: Any, connect: Any, models: Path, tmp_path: Path
) -> None:
    base = tmp_path / "model"
    server = start("half_plus_two", f"--model_base_path={base}", ready=False)
    server.wait_for("Could not find base path")
    base.mkdir()
    server.wait_for("No versions of servable half_plus_two found under base path")
    (base / "notes.txt").touch()
    shutil.copytree(models / "half_plus_two" / "00000007", base / "7")
    server.wait_for("Running gRPC ModelServer")
    client = connect(server)
    assert client.predict(x=[[2.0]]).outputs["y"].float_val == [3.0]
    stop = threading.Event()
    failures: list[BaseException] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                client.predict(x=[[2.0]])
            except grpc.RpcError as error:
                failures.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    shutil.copytree(models / "half_plus_two" / "00000123", tmp_path / "copy")
    (tmp_path / "copy").rename(base / "123")
    wait_until(lambda: len(client.status().model_version_status) == 2)
    wait_until(lambda: client.status().model_version_status[1].state == END)
    stop.set()
    asker.join(20)
    assert failures == []
    assert [status.version for status in client.status().model_version_status] == [123, 7]
    assert client.predict(x=[[2.0]]).outputs["y"].float_val == [4.0]


def test_a_broken_version_leaves_the_good_one_alone(start: Any, connect: Any, models: Path, tmp_path: Path) -> None:
    base = tmp_path / "model"
    shutil.copytree(models / "half_plus_two" / "00000007", base / "7")
    server = start(
        "half_plus_two", f"--model_base_path={base}", "--max_num_load_retries=1", "--load_retry_interval_micros=1"
    )
    client = connect(server)
    (base / "8").mkdir()
    wait_until(lambda: len(client.status().model_version_status) == 2)
    wait_until(lambda: client.status(8).model_version_status[0].state == END)
    (broken,) = client.status(8).model_version_status
    assert broken.status.error_code == 5
    assert "Could not find SavedModel .pb or .pbtxt at supplied export directory path" in broken.status.error_message
    assert client.predict(x=[[2.0]]).model_spec.version.value == 7


@pytest.mark.parametrize("content", [None, b"", b"no protobuf"])
def test_an_unreadable_model_ends_the_start(start: Any, tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "1").mkdir()
    if content is not None:
        (tmp_path / "1" / "saved_model.pb").write_bytes(content)
    server = start("half_plus_two", f"--model_base_path={tmp_path}", "--max_num_load_retries=0", ready=False)
    assert server.wait() == FAILURE
    assert "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available" in server.log
    assert "{name: half_plus_two version: 1}" in server.log
    assert "Traceback" not in server.log


def test_wrong_tags_end_the_start(start: Any) -> None:
    server = start("half_plus_two", "--saved_model_tags=serve,tpu", "--max_num_load_retries=0", ready=False)
    assert server.wait() == FAILURE
    assert "Could not find meta graph def matching supplied tags: { serve tpu }" in server.log


def test_sigterm_while_waiting_for_a_version(start: Any, tmp_path: Path) -> None:
    server = start("half_plus_two", f"--model_base_path={tmp_path}", ready=False)
    server.wait_for("No versions of servable")
    assert server.stop() == 0


def test_start_up_is_quiet_and_light(start: Any) -> None:
    server = start("half_plus_two")
    assert "cuda" not in server.log.lower()
    assert "deprecated" not in server.log
    assert "tensorflow:" not in server.log
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    resident_kb = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kb < 620_000


def test_the_whole_of_tensorflow_can_be_asked_for(start: Any, connect: Any) -> None:
    client = connect(start("half_plus_two", environment={"MODEL_SERVER_FULL_TENSORFLOW": "1"}))
    assert client.predict(x=[[2.0]]).outputs["y"].float_val == [4.0]


def test_a_relative_socket_path(models: Path, socket_folder: Path) -> None:
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "model_service.model_server", "--port", "0", "--grpc_socket_path", "relative.sock"),
            f"--model_base_path={models / 'half_plus_two'}",
        ],
        cwd=socket_folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        wait_until((socket_folder / "relative.sock").exists, 60)
        server.terminate()
        assert server.wait(30) == 0
        assert server.stderr is not None
        assert "UNIX socket relative.sock" in server.stderr.read()


def test_a_relative_base_path_is_refused(start: Any) -> None:
    server = start("half_plus_two", "--model_base_path=models/m", ready=False)
    assert server.wait() == FAILURE
    assert (
        "Failed to start server. Error: INVALID_ARGUMENT: Expected model half_plus_two to have an absolute path or "
        "URI; got base_path()=models/m"
    ) in server.log


def test_the_first_load_is_tried_again(start: Any, models: Path, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    flags = ("--max_num_load_retries=1000", "--load_retry_interval_micros=100000")
    server = start("half_plus_two", f"--model_base_path={tmp_path}", *flags, ready=False)
    server.wait_for(r"Retrying of Loading servable: \{name: half_plus_two version: 1\} retry: 1")
    shutil.copytree(models / "half_plus_two" / "00000007", tmp_path / "1", dirs_exist_ok=True)
    server.wait_for("Running gRPC ModelServer")
