"""Many models: config file, policies, labels, reload by request and by file, life cycle of versions."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from model_service.tfs.protos import get_model_status_pb2

# isort: split
from tensorflow_serving.apis import model_management_pb2
from tensorflow_serving.config import model_server_config_pb2

from .conftest import wait_until

FAILURE = 255
INVALID, PRECONDITION = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION
NOT_FOUND = grpc.StatusCode.NOT_FOUND
State = get_model_status_pb2.ModelVersionStatus
QUICK = ("--file_system_poll_wait_seconds=1", "--max_num_load_retries=0")

Models = dict[str, Any]


def config_of(**models: Any) -> Any:
    """Make a ModelServerConfig: ``name=base_path``, or ``name=(base_path, policy, labels)``."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.SetInParent()
    for name, wanted in models.items():
        path, policy, labels = wanted if isinstance(wanted, tuple) else (wanted, None, {})
        model = config.model_config_list.config.add(name=name, base_path=str(path), model_platform="tensorflow")
        if policy == "all":
            model.model_version_policy.all.SetInParent()
        elif isinstance(policy, int):
            model.model_version_policy.latest.num_versions = policy
        elif policy:
            model.model_version_policy.specific.versions.extend(policy)
        model.version_labels.update(labels)
    return config


class Server:
    """A server with a config file, and how to ask it."""

    def __init__(self, process: Any, client: Any, file: Path):
        self.process = process
        self.client = client
        self.file = file

    def ask(self, name: str, version: int | None = None, label: str = "", x: float = 2.0) -> tuple[float, int]:
        """Predict; return y and the version that answered."""
        request = self.client.request(version=version, x=[[x]])
        request.model_spec.name = name
        if label:
            request.model_spec.version_label = label
        response = self.client.prediction.Predict(request, 20)
        return response.outputs["y"].float_val[0], response.model_spec.version.value

    def refusal(self, name: str, version: int | None = None, label: str = "") -> tuple[grpc.StatusCode, str]:
        """Return how a Predict is refused."""
        with pytest.raises(grpc.RpcError) as caught:
            self.ask(name, version, label)
        assert isinstance(caught.value, grpc.Call)
        return caught.value.code(), caught.value.details() or ""

    def states(self, name: str) -> dict[int, int]:
        """Return the states of a model's versions; none yet: empty."""
        try:
            return {entry.version: entry.state for entry in self.client.status(model=name).model_version_status}
        except grpc.RpcError as error:
            if isinstance(error, grpc.Call) and error.code() is NOT_FOUND:
                return {}
            raise

    def reload(self, **models: Any) -> Any:
        """Replace the set of models."""
        request = model_management_pb2.ReloadConfigRequest(config=config_of(**models))
        return self.client.model_service.HandleReloadConfigRequest(request, 30)

    def reload_refusal(self, config: Any) -> tuple[grpc.StatusCode, str]:
        """Return how a reload is refused."""
        request = model_management_pb2.ReloadConfigRequest(config=config)
        code, text = self.client.error_of(self.client.model_service.HandleReloadConfigRequest, request)
        return code, text

    def write(self, **models: Any) -> None:
        """Write the config file."""
        self.file.write_text(str(config_of(**models)), encoding="utf-8")


Begin = Callable[..., Server]


@pytest.fixture
def begin(start: Any, connect: Any, tmp_path: Path) -> Iterator[Begin]:
    """``begin(*flags, **models)`` starts a server whose config file lists the models."""
    started: list[Server] = []

    def begin_server(*flags: str, ready: bool = True, **models: Any) -> Server:
        file = tmp_path / f"models{len(started)}.conf"
        file.write_text(str(config_of(**models)), encoding="utf-8")
        process = start("half_plus_two", f"--model_config_file={file}", *QUICK, *flags, ready=ready)
        started.append(Server(process, connect(process), file))
        return started[-1]

    yield begin_server
    for server in started:
        server.process.stop()


@pytest.fixture
def two(models: Path) -> Path:
    """Base path with versions 7 (y = x / 2 + 2) and 123 (y = x / 2 + 3)."""
    return models / "half_plus_two"


@pytest.fixture
def three(models: Path) -> Path:
    """Base path with version 123 (y = x / 2 + 3)."""
    return models / "half_plus_three"


def test_models_and_policies_of_a_config_file(begin: Begin, two: Path, three: Path) -> None:
    server = begin(
        newest=two, both=(two, "all", {}), last_two=(two, 2, {}), seven=(two, [7], {}), three=three, same=three
    )
    assert server.ask("newest") == (4.0, 123)
    assert server.ask("three") == server.ask("same") == (4.0, 123)
    assert server.ask("seven") == (3.0, 7)
    wait_until(lambda: server.states("both") == server.states("last_two") == {123: State.AVAILABLE, 7: State.AVAILABLE})
    assert server.ask("both") == (4.0, 123)
    assert server.ask("both", 7) == server.ask("last_two", 7) == (3.0, 7)
    assert server.refusal("newest", 7) == (NOT_FOUND, "Servable not found for request: Specific(newest, 7)")
    assert server.refusal("half_plus_two") == (NOT_FOUND, "Servable not found for request: Latest(half_plus_two)")


def test_a_config_file_that_cannot_be_parsed(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.conf"
    for content in (b"improper_field {}", b"model_config_list: { config: {", b"\xff\xfe"):
        file.write_bytes(content)
        server = start("half_plus_two", f"--model_config_file={file}", ready=False)
        assert server.wait() == FAILURE
        assert "Error parsing text-format tensorflow.serving.ModelServerConfig: " in server.log
        assert f"Failed to start server. Error: INVALID_ARGUMENT: Invalid protobuf file: '{file}'" in server.log
        assert "Traceback" not in server.log


def test_a_config_file_that_is_not_there(start: Any, tmp_path: Path) -> None:
    server = start("half_plus_two", f"--model_config_file={tmp_path / 'none'}", ready=False)
    assert server.wait() == FAILURE
    assert f"Failed to start server. Error: NOT_FOUND: {tmp_path / 'none'}; No such file" in server.log


def test_a_broken_model_of_many_ends_the_start(begin: Begin, three: Path, tmp_path: Path) -> None:
    (tmp_path / "broken" / "1").mkdir(parents=True)
    server = begin(ready=False, three=three, broken=tmp_path / "broken")
    assert server.process.wait() == FAILURE
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: {{{name: broken version: 1} "
        "due to error: NOT_FOUND: Could not find SavedModel"
    ) in server.process.log


def test_an_empty_config_file_waits_for_a_reload(begin: Begin, three: Path, tmp_path: Path) -> None:
    server = begin("--model_config_file=/dev/null")
    assert server.refusal("three")[0] is NOT_FOUND
    server.reload(three=three)
    assert server.ask("three") == (4.0, 123)


def test_reload_replaces_the_whole_set(begin: Begin, two: Path, three: Path) -> None:
    server = begin(two=two)
    response = server.reload(three=three, seven=(two, [7], {}))
    assert (response.status.error_code, response.status.error_message) == (0, "")
    assert server.ask("three") == (4.0, 123)
    assert server.ask("seven") == (3.0, 7)
    wait_until(lambda: server.states("two") == {123: State.END})
    assert server.refusal("two") == (NOT_FOUND, "Servable not found for request: Latest(two)")
    server.reload(two=(two, "all", {}), seven=(two, [7], {}))
    wait_until(lambda: server.states("two") == {123: State.AVAILABLE, 7: State.AVAILABLE})
    server.reload(two=(two, [7], {}), seven=(two, [7], {}))
    wait_until(lambda: server.states("two") == {123: State.END, 7: State.AVAILABLE})
    server.reload()
    wait_until(lambda: server.states("two")[7] == server.states("seven")[7] == State.END)


def test_a_reload_of_a_broken_model_says_so_and_goes_on(begin: Begin, two: Path, three: Path, tmp_path: Path) -> None:
    (tmp_path / "broken" / "1").mkdir(parents=True)
    server = begin(two=two)
    code, text = server.reload_refusal(config_of(two=two, three=three, broken=tmp_path / "broken"))
    assert code is grpc.StatusCode.UNKNOWN
    assert text.startswith(
        "1 model(s) did not become available: {{{name: broken version: 1} due to error: NOT_FOUND: Could not find"
    )
    assert server.ask("two") == server.ask("three") == (4.0, 123)
    assert server.states("broken") == {1: State.END}


def test_a_reload_that_waits_for_nothing_blocks_nobody(begin: Begin, two: Path, three: Path, tmp_path: Path) -> None:
    server = begin(two=two)
    waiting = config_of(two=two, late=tmp_path / "late")
    call = server.client.model_service.HandleReloadConfigRequest.future(
        model_management_pb2.ReloadConfigRequest(config=waiting), timeout=30
    )
    wait_until(lambda: "Could not find base path" in server.process.log)
    assert not call.done()
    server.reload(two=two, three=three)
    assert server.ask("three") == (4.0, 123)
    assert call.exception(10).code() is grpc.StatusCode.UNKNOWN
    abandoned = server.client.model_service.HandleReloadConfigRequest.future(
        model_management_pb2.ReloadConfigRequest(config=waiting), timeout=1
    )
    assert abandoned.exception(10).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: "ReloadConfig failed: No longer waiting" in server.process.log)
    shutil.copytree(three, tmp_path / "copy")
    (tmp_path / "copy").rename(tmp_path / "late")
    wait_until(lambda: server.states("late") == {123: State.AVAILABLE})


def test_reloads_that_wait_for_ever_do_not_pile_up(begin: Begin, two: Path, tmp_path: Path) -> None:
    server = begin("--grpc_max_threads=3", two=two)
    late = model_management_pb2.ReloadConfigRequest(config=config_of(two=two, late=tmp_path / "late"))
    calls = []
    for number in range(2):
        server.reload(two=two)  # so that the next one waits for a new model
        calls += [server.client.model_service.HandleReloadConfigRequest.future(late, timeout=60)]
        server.process.wait_for(f"(?s)((Re-)?adding model: late.*){{{number + 1}}}")
    server.reload(two=two)
    assert [call.exception(20).code() for call in calls] == [grpc.StatusCode.UNKNOWN] * 2
    names = [f"late_{number}" for number in range(6)]
    for name in names:
        config = config_of(two=two, **{other: tmp_path / other for other in names[: names.index(name) + 1]})
        request = model_management_pb2.ReloadConfigRequest(config=config)
        calls += [server.client.model_service.HandleReloadConfigRequest.future(request, timeout=60)]
        server.process.wait_for(f"adding model: {name}")
    assert [call.exception(20).code() for call in calls[2:6]] == [grpc.StatusCode.CANCELLED] * 4
    assert server.ask("two") == (4.0, 123)
    server.reload(two=two)
    assert all(call.exception(20) for call in calls)


def test_reload_refusals_change_nothing(begin: Begin, two: Path, three: Path) -> None:
    server = begin(two=two)
    unlisted = model_server_config_pb2.ModelServerConfig()
    custom = model_server_config_pb2.ModelServerConfig()
    custom.custom_model_config.SetInParent()
    text = (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
    )
    assert server.reload_refusal(unlisted) == server.reload_refusal(custom) == (INVALID, text)
    twice = config_of(three=three)
    twice.model_config_list.config.append(twice.model_config_list.config[0])
    assert server.reload_refusal(twice) == (INVALID, "Illegal to list model three multiple times in config list")
    assert server.reload_refusal(config_of(three="three")) == (
        INVALID,
        "Expected model three to have an absolute path or URI; got base_path()=three",
    )
    wrong = config_of(three=three)
    model = wrong.model_config_list.config[0]
    model.model_platform = "caffe"
    assert server.reload_refusal(wrong) == (INVALID, "Model three requests unsupported platform caffe")
    model.model_platform = ""
    assert server.reload_refusal(wrong)[1].startswith("Illegal setting neither ModelServerConfig::model_type")
    model.model_type = model_server_config_pb2.OTHER
    assert server.reload_refusal(wrong) == (INVALID, "ModelServerConfig::model_type choice 2 not supported.")
    model.model_type, model.model_platform = model_server_config_pb2.TENSORFLOW, "tensorflow"
    assert server.reload_refusal(wrong)[1].startswith("Illegal setting both ModelServerConfig::model_type")
    assert server.ask("two") == (4.0, 123)
    assert server.refusal("three")[0] is NOT_FOUND
    model.model_platform = ""
    request = model_management_pb2.ReloadConfigRequest(config=wrong)
    server.client.model_service.HandleReloadConfigRequest(request, 20)
    assert server.ask("three") == (4.0, 123)


def test_labels(begin: Begin, two: Path) -> None:
    server = begin(two=(two, "all", {}))
    wait_until(lambda: server.states("two") == {123: State.AVAILABLE, 7: State.AVAILABLE})
    unknown = (INVALID, "Unrecognized servable version label: stable")
    assert server.refusal("two", label="stable") == unknown
    server.reload(two=(two, "all", {"stable": 7, "canary": 123}))
    assert server.ask("two", label="stable") == (3.0, 7)
    assert server.ask("two", label="canary") == (4.0, 123)
    assert server.reload_refusal(config_of(two=(two, "all", {"stable": 5}))) == (
        PRECONDITION,
        "Request to assign label to version 5 of model two, which is not currently available for inference",
    )
    assert server.ask("two", label="stable") == (3.0, 7)
    server.reload(two=(two, "all", {"stable": 123}))
    assert server.ask("two", label="stable") == (4.0, 123)
    assert server.refusal("two", label="canary")[1] == "Unrecognized servable version label: canary"
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name, status.model_spec.version_label = "two", "stable"
    (entry,) = server.client.model_service.GetModelStatus(status, 10).model_version_status
    assert entry.version == 123


def test_labels_at_the_start_need_a_flag(begin: Begin, two: Path) -> None:
    labelled = (two, [7, 123], {"stable": 7})
    server = begin(ready=False, two=labelled)
    assert server.process.wait() == FAILURE
    assert (
        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to version 7 of model two, which "
        "is not currently available for inference"
    ) in server.process.log
    server = begin("--allow_version_labels_for_unavailable_models", two=labelled)
    wait_until(lambda: server.states("two").get(7) == State.AVAILABLE)
    assert server.ask("two", label="stable") == (3.0, 7)
    server.reload(two=(two, [7, 123], {"stable": 7, "next": 9}))
    assert server.refusal("two", label="next") == (NOT_FOUND, "Servable not found for request: Specific(two, 9)")
    moved = config_of(two=(two, [7, 123], {"stable": 9}))
    assert server.reload_refusal(moved)[0] is PRECONDITION


def test_changes_of_the_config_file_are_applied(begin: Begin, two: Path, three: Path, tmp_path: Path) -> None:
    server = begin("--model_config_file_poll_wait_seconds=1", two=two)
    server.write(three=three)
    wait_until(lambda: server.states("two") == {123: State.END})
    wait_until(lambda: server.states("three") == {123: State.AVAILABLE})
    server.file.write_text("nonsense", encoding="utf-8")
    server.process.wait_for("Failed to read ModelServerConfig file: Invalid protobuf file: ")
    assert server.ask("three") == (4.0, 123)
    server.write(three="relative")
    server.process.wait_for("PollFilesystemAndReloadConfig failed to ReloadConfig: Expected model three to have")
    server.file.write_text("", encoding="utf-8")
    server.process.wait_for("Cannot transition to requested config.")
    server.write(three=three, late=tmp_path / "late")
    server.process.wait_for("Could not find base path")
    server.write(three=three, two=(two, [7], {}))
    wait_until(lambda: server.states("two").get(7) == State.AVAILABLE)
    assert server.ask("two") == (3.0, 7)


def test_without_polling_the_config_file_is_read_once(begin: Begin, two: Path, three: Path) -> None:
    server = begin(two=two)
    server.write(three=three)
    time.sleep(1.5)
    assert server.ask("two") == (4.0, 123)
    assert server.refusal("three")[0] is NOT_FOUND


def test_unloading_lasts_as_long_as_its_last_request(begin: Begin, models: Path, three: Path) -> None:
    server = begin(slow=models / "slow", three=three)
    request = server.client.request(n=1_500_000)
    request.model_spec.name = "slow"
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.client.prediction.Predict, request, 60)
        time.sleep(0.3)
        server.reload(three=three)
        wait_until(lambda: server.states("slow") == {1: State.UNLOADING})
        assert server.refusal("slow")[0] is NOT_FOUND
        assert not answer.done()
        assert answer.result(60).outputs["counted"].int_val == [1_500_000]
    wait_until(lambda: server.states("slow") == {1: State.END})
    server.process.wait_for(r"Done unloading servable version \{name: slow version: 1\}")


def test_a_broken_version_hurts_nobody(begin: Begin, two: Path, three: Path, tmp_path: Path) -> None:
    base, other = tmp_path / "base", tmp_path / "other"
    shutil.copytree(two / "00000007", base / "7")
    shutil.copytree(three, other)
    retries = ("--max_num_load_retries=100000", "--load_retry_interval_micros=300000")
    server = begin(*retries, mine=base, other=other)
    (base / "8").mkdir()
    server.process.wait_for(r"Retrying of Loading servable: \{name: mine version: 8\} retry: 2")
    assert server.states("mine") == {8: State.LOADING, 7: State.AVAILABLE}
    shutil.copytree(two / "00000007", tmp_path / "copy")
    (tmp_path / "copy").rename(other / "124")
    wait_until(lambda: server.states("other") == {124: State.AVAILABLE, 123: State.END})
    assert server.ask("mine") == (3.0, 7)
    (base / "8").rmdir()
    wait_until(lambda: server.states("mine") == {8: State.END, 7: State.AVAILABLE})
    (broken,) = server.client.status(8, "mine").model_version_status
    assert broken.status.error_code == NOT_FOUND.value[0]
    shutil.copytree(three / "00000123", tmp_path / "copy")
    (tmp_path / "copy").rename(base / "8")
    wait_until(lambda: server.states("mine") == {8: State.AVAILABLE, 7: State.END})
    assert server.ask("mine") == (4.0, 8)


def test_a_base_path_that_vanishes_or_is_empty(begin: Begin, three: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(three, base)
    server = begin(mine=base, three=three)
    base.rename(tmp_path / "gone")
    server.process.wait_for("FileSystemStoragePathSource encountered a filesystem access error: Could not find base")
    time.sleep(1.2)
    assert server.ask("mine") == (4.0, 123)
    base.mkdir()
    server.process.wait_for("No versions of servable mine found under base path")
    wait_until(lambda: server.states("mine") == {123: State.END})
    assert server.ask("three") == (4.0, 123)
    base.rmdir()
    (tmp_path / "gone").rename(base)
    wait_until(lambda: server.states("mine") == {123: State.AVAILABLE})


def test_reloads_under_requests_lose_none(begin: Begin, two: Path, three: Path) -> None:
    server = begin(two=(two, [7], {}), three=three)
    stop = threading.Event()
    failures: list[BaseException] = []
    seen: set[tuple[float, int]] = set()

    def ask() -> None:
        while not stop.is_set():
            try:
                seen.add(server.ask("two"))
            except grpc.RpcError as error:
                failures.append(error)

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    for turn in range(6):
        wanted, other = ((123, 7), (7, 123))[turn % 2]
        server.reload(two=(two, [wanted], {}), **({"three": three} if turn % 3 else {}))
        done = {wanted: State.AVAILABLE, other: State.END}
        wait_until(lambda: server.states("two") == done)  # noqa: B023
    stop.set()
    for asker in askers:
        asker.join(20)
    assert failures == []
    assert seen == {(3.0, 7), (4.0, 123)}


def test_many_models_are_loaded_side_by_side_and_given_back(begin: Begin, two: Path) -> None:
    names: Models = {f"model_{number}": (two, "all", {}) for number in range(6)}
    server = begin("--num_load_threads=3", "--num_unload_threads=2", **names)
    every = {123: State.AVAILABLE, 7: State.AVAILABLE}
    wait_until(lambda: all(server.states(name) == every for name in names))
    again: Models = {f"again_{number}": (two, "all", {}) for number in range(6)}
    server.reload(**again)
    assert all(server.ask(name)[0] in (3.0, 4.0) for name in again)
    wait_until(lambda: all(server.states(name) == {123: State.END, 7: State.END} for name in names))
