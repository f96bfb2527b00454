"""The command line, in the real server's spelling."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from model_service.errors import SettingsError
from model_service.model_server.flags import ServerFlags, channel_arguments, parse_flags, usage

BASE = "--model_base_path=/models"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "model_service.model_server", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_defaults() -> None:
    flags = parse_flags([BASE])
    assert (flags.port, flags.rest_api_port, flags.model_name) == (8500, 0, "default")
    assert flags.enable_serialization_as_tensor_content is False
    assert flags.file_system_poll_wait_seconds == 1


@pytest.mark.parametrize(
    ("spelling", "value"),
    [("", True), ("=true", True), ("=True", True), ("=1", True), ("=false", False), ("=0", False)],
)
def test_switches(spelling: str, value: bool) -> None:
    flags = parse_flags([f"--enable_serialization_as_tensor_content{spelling}", BASE])
    assert flags.enable_serialization_as_tensor_content is value


def test_values_with_and_without_equals() -> None:
    flags = parse_flags(["--port", "1", "--model_name=a=b", "--model_base_path", "/models", "--grpc_socket_path=/s"])
    assert (flags.port, flags.model_name, flags.model_base_path) == (1, "a=b", "/models")
    assert parse_flags([BASE, "--port=0", "--grpc_socket_path=/s"]).port == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prot=1"], "unknown argument: --prot=1"),
        (["-port=1"], "unknown argument: -port=1"),
        (["model"], "unknown argument: model"),
        (["--port=x"], "Couldn't interpret value x for flag port."),
        (["--enable_grpc_healthcheck_service=maybe"], "Couldn't interpret value maybe"),
        (["--port"], "--port needs a value"),
        (["--port=1_0"], "Couldn't interpret value 1_0 for flag port."),
        (["--port=²"], "Couldn't interpret value ² for flag port."),
        (["--max_num_load_retries=2147483648"], "Couldn't interpret value 2147483648 for flag max_num_load_retries."),
        (["--per_process_gpu_memory_fraction=x"], "Couldn't interpret value x for flag per_process_gpu"),
        (["--per_process_gpu_memory_fraction=nan"], "--per_process_gpu_memory_fraction must be at least 0; was nan"),
        (["--port=70000"], "--port must be from 0 to 65535; was 70000"),
        (["--rest_api_port=-1"], "--rest_api_port must be from 0 to 65535; was -1"),
        (["--rest_api_port=8500"], "--rest_api_port cannot be the same as --port: both are 8500"),
        (["--rest_api_num_threads=0"], "--rest_api_num_threads must be at least 1; was 0"),
        (["--listen_address=localhost"], "--listen_address must be an IP address such as 0.0.0.0"),
        (["--grpc_max_threads=0"], "--grpc_max_threads must be at least 1; was 0"),
        (["--grpc_channel_arguments=grpc.a"], "--grpc_channel_arguments: 'grpc.a' is no key=value"),
        (["--port=0"], "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set"),
        (["--model_base_path="], "Both server_options.model_base_path and server_options.model_config_file are empty!"),
        (["--use_alts_credentials"], "--use_alts_credentials is not available in the embedded server: they exist on"),
        (["--platform_config_file=x"], "use --tensorflow_session_config_file and --batching_parameters_file"),
        (["--thread_pool_factory_config_file=x"], "use --tensorflow_intra_op_parallelism"),
    ],
)
def test_refusals(arguments: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=r".*") as caught:
        parse_flags([BASE, *arguments])
    assert message in str(caught.value)


def test_an_unknown_flag_ends_with_usage_on_stderr() -> None:
    done = _run("--nope")
    assert done.returncode == 255
    assert done.stderr.startswith("unknown argument: --nope\nusage:")
    assert done.stdout == ""


def test_help_loads_no_tensorflow() -> None:
    program = (
        "import sys\n"
        "from model_service.model_server.__main__ import main\n"
        "assert main(['--help']) == 0\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'grpc', 'numpy')]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == usage()
    for name in ("port", "grpc_socket_path", "model_base_path", "enable_serialization_as_tensor_content"):
        assert f"--{name}=" in done.stdout


def test_version() -> None:
    done = _run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("TensorFlow ModelServer: ")
    assert "TensorFlow Library: 2." in done.stdout


def test_channel_arguments() -> None:
    text = "grpc.a=1,grpc.b=-2,grpc.c=x=y,,grpc.d=2147483648,grpc.e=²"
    pairs = [("grpc.a", 1), ("grpc.b", -2), ("grpc.c", "x=y"), ("grpc.d", "2147483648"), ("grpc.e", "²")]
    assert channel_arguments(text) == pairs
    assert channel_arguments("") == []


def test_the_help_looks_like_the_real_one() -> None:
    """Its rows are a flag with its default, a type and a text; programs read flag names from them."""
    rows = [row.split("\t") for row in usage().splitlines()[2:]]
    assert {len(row) for row in rows} == {4}
    shown = {row[1].strip(): row[2] for row in rows}
    assert shown["--port=8500"] == "int32"
    assert shown["--load_retry_interval_micros=60000000"] == "int64"
    assert shown["--enable_model_warmup=true"] == "bool"
    assert shown["--per_process_gpu_memory_fraction=0.000000"] == "float"
    assert shown['--model_name="default"'] == "string"
    assert [row[1].partition("=")[0] for row in rows] == [f"--{flag.name}" for flag in fields(ServerFlags)]


def test_every_flag_works_or_says_why_not() -> None:
    """A flag takes a value other than its default, or is refused with a reason that its help gives too."""
    others: dict[type, str] = {bool: "", int: "=3", float: "=0.5", str: "=a=b"}
    for flag in fields(ServerFlags):
        text = others[type(flag.default)]
        if flag.default is True:
            text = "=false"
        if flag.name == "listen_address":
            text = "=0.0.0.0"
        reason = flag.metadata.get("refused")
        if reason is None:
            assert getattr(parse_flags([BASE, f"--{flag.name}{text}"]), flag.name) != flag.default, flag.name
            continue
        assert reason in flag.metadata["help"]
        with pytest.raises(SettingsError, match="not available in the embedded server"):
            parse_flags([BASE, f"--{flag.name}{text}"])


def test_session_config_file(tmp_path: Path) -> None:
    """The file is read; what is no ConfigProto ends the start."""
    path = tmp_path / "session.txt"
    path.write_text("intra_op_parallelism_threads: 1 no_such_field: 2", "utf-8")
    done = _run(f"--model_base_path={tmp_path}", f"--tensorflow_session_config_file={path}")
    assert done.returncode == 255
    assert "Error parsing text-format tensorflow.ConfigProto" in done.stderr
    assert f"Invalid protobuf file: '{path}'" in done.stderr
