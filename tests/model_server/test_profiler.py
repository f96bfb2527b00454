"""``tensorflow.ProfilerService``: traces, asked for over the wire."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from model_service.model_server.own_messages import ProfileRequest, ProfileResponse

from .conftest import CALL_SECONDS, Client, Connects, Starts, wait_until


class Profiling:
    """A client of one server's profiler, while predictions run."""

    def __init__(self, client: Client):
        call: Any = client.channel.unary_unary
        self._profile = call("/tensorflow.ProfilerService/Profile", lambda message: message.SerializeToString())
        self._terminate = call("/tensorflow.ProfilerService/Terminate")
        self._client = client

    def profile(self, milliseconds: int) -> Any:
        request = ProfileRequest(duration_ms=milliseconds)
        return ProfileResponse.FromString(self._profile(request, timeout=CALL_SECONDS))

    def can_profile(self) -> bool:
        try:
            self.profile(1)
        except grpc.RpcError:
            return False
        return True

    def terminate(self) -> bytes:
        answer: bytes = self._terminate(b"", timeout=CALL_SECONDS)
        return answer

    def profile_at_work(self, milliseconds: int) -> Any:
        is_over = threading.Event()

        def keep_busy() -> None:
            while not is_over.wait(0.005):
                self._client.predict(x=[[2.0]])

        busy = threading.Thread(target=keep_busy)
        busy.start()
        try:
            return self.profile(milliseconds)
        finally:
            is_over.set()
            busy.join()


@pytest.fixture(scope="module")
def profiling(start: Starts, connect: Connects) -> Profiling:
    return Profiling(connect(start("half_plus_two")))


def test_the_reply_holds_the_trace(profiling: Profiling) -> None:
    response = profiling.profile_at_work(500)
    assert not response.empty_trace
    (tool,) = response.tool_data
    assert tool.name == "xplane.pb"
    assert b"/host:CPU" in tool.data
    assert b"SessionRun" in tool.data or b"ExecutorState" in tool.data


def test_one_at_a_time(profiling: Profiling) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(profiling.profile, 1500)
        time.sleep(0.5)
        with pytest.raises(grpc.RpcError) as caught:
            profiling.profile(10)
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
        assert "Another profiling session is active" in (caught.value.details() or "")
        assert first.result(CALL_SECONDS).tool_data
    assert profiling.profile(10).tool_data


def test_terminate_ends_a_trace(profiling: Profiling) -> None:
    assert profiling.terminate() == b""  # nothing to end is no error
    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        trace = pool.submit(profiling.profile, 15_000)
        time.sleep(0.5)
        profiling.terminate()
        assert trace.result(CALL_SECONDS).tool_data
    assert time.monotonic() - started < 10


def test_a_client_that_gives_up_ends_its_trace(profiling: Profiling) -> None:
    with pytest.raises(grpc.RpcError):
        profiling._profile(ProfileRequest(duration_ms=30_000), timeout=0.3)
    wait_until(profiling.can_profile, 10)


def test_traces_are_kept_where_the_administrator_says(start: Starts, connect: Connects, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir(mode=0o755)
    profiling = Profiling(connect(start("half_plus_two", f"--profiler_log_dir={folder}")))
    request = ProfileRequest(duration_ms=100).SerializeToString()
    elsewhere = tmp_path / "elsewhere"
    request += b"\x22" + bytes([len(str(elsewhere))]) + str(elsewhere).encode()  # repository_root of the real message
    profiling._profile(ProfileRequest.FromString(request), timeout=CALL_SECONDS)
    (trace,) = folder.rglob("*.xplane.pb")
    assert trace.stat().st_size > 0
    assert trace.parent.parent == folder / "plugins" / "profile"
    assert not elsewhere.exists()
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_folder_that_cannot_be_written(start: Starts, connect: Connects, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = start("half_plus_two", f"--profiler_log_dir={tmp_path / 'file' / 'traces'}")
    profiling = Profiling(connect(server))
    with pytest.raises(grpc.RpcError) as caught:
        profiling.profile(10)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "the trace cannot be written to --profiler_log_dir" in (caught.value.details() or "")
    assert str(tmp_path) not in (caught.value.details() or "")
    server.wait_for(f"the trace cannot be written: .*{tmp_path}")
    assert "Traceback" not in server.log
    (tmp_path / "file").unlink()
    profiling.profile(10)
    assert list(tmp_path.rglob("*.xplane.pb"))


def test_it_can_be_turned_off(start: Starts, connect: Connects) -> None:
    profiling = Profiling(connect(start("half_plus_two", "--enable_profiler=false")))
    for call in (profiling.terminate, lambda: profiling.profile(1)):
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert isinstance(caught.value, grpc.Call)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
