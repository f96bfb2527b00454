"""Stands for tensorflow_model_server 2.19 in tests: its command line, its lines, and our embedded server inside.

``model_server_2_19.py VARIANT FLAG...``; VARIANT is one of:

- ``2.19``: as the real one, except that a flag it does not know ends it (the real one complains and goes on);
- ``old``: one that does not know ``enable_serialization_as_tensor_content`` yet;
- ``dies``: one that knows its flags and ends as soon as it is started.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

TENSOR_CONTENT = "enable_serialization_as_tensor_content"
FLAGS = (
    "port",
    "grpc_socket_path",
    "rest_api_port",
    "rest_api_num_threads",
    "rest_api_timeout_in_ms",
    "rest_api_enable_cors_support",
    "enable_batching",
    "allow_version_labels_for_unavailable_models",
    "batching_parameters_file",
    "enable_per_model_batching_parameters",
    "model_config_file",
    "model_config_file_poll_wait_seconds",
    "model_name",
    "model_base_path",
    "num_load_threads",
    "num_unload_threads",
    "max_num_load_retries",
    "load_retry_interval_micros",
    "file_system_poll_wait_seconds",
    "flush_filesystem_caches",
    "tensorflow_session_parallelism",
    "tensorflow_session_config_file",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
    "use_alts_credentials",
    "ssl_config_file",
    "platform_config_file",
    "per_process_gpu_memory_fraction",
    "saved_model_tags",
    "grpc_channel_arguments",
    "grpc_max_threads",
    "enable_model_warmup",
    "num_request_iterations_for_warmup",
    "version",
    "monitoring_config_file",
    "remove_unused_fields_from_bundle_metagraph",
    "prefer_tflite_model",
    "num_tflite_pools",
    "num_tflite_interpreters_per_pool",
    "enable_signature_method_name_check",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
    "enable_profiler",
    "thread_pool_factory_config_file",
    "mixed_precision",
    "skip_initialize_tpu",
    "enable_grpc_healthcheck_service",
    TENSOR_CONTENT,
)
FAILURE = 255  # the real one returns -1, for --help too


def main(variant: str, flags: Sequence[str]) -> int:
    known = [name for name in FLAGS if variant != "old" or name != TENSOR_CONTENT]
    usage = "\n".join(["usage: tensorflow_model_server", "Flags:", *(f"\t--{name}=...\tstring\t..." for name in known)])
    if "--help" in flags:
        print(usage)
        return FAILURE
    for flag in flags:
        if flag.removeprefix("--").partition("=")[0] not in known or not flag.startswith("--"):
            print(f"unknown argument: {flag}\n{usage}")
            return FAILURE
    given = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    name, base_path = given["model_name"], given["model_base_path"]
    place = "2025-03-01 12:00:00.000000: I tensorflow_serving/model_servers"
    print(f"{place}/server.cc:77] Building single TensorFlow model file config:  model_name: {name}", file=sys.stderr)
    print(f"{place}/server_core.cc:474] Adding/updating models.", file=sys.stderr, flush=True)
    if variant == "dies":
        print(f"Failed to start server. Error: NOT_FOUND: {base_path} could not be read", flush=True)
        return FAILURE
    passed_on = [f"--{name}={value}" for name, value in given.items()]
    return os.execv(sys.executable, [sys.executable, "-m", "model_service.model_server", *passed_on])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
