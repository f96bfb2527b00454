"""From a version folder to a model that is ready to answer, the way the flags say."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_service.model_server import lite
from model_service.model_server.batching import BatchingOptions, BatchScheduler
from model_service.model_server.engine import EngineOptions, MakeSignature, Model, SavedModel, Signature
from model_service.model_server.flags import ServerFlags
from model_service.model_server.model_configs import ModelConfig
from model_service.model_server.own_messages import BatchingParameters
from model_service.model_server.runtime import ConfigProto
from model_service.model_server.signatures import BatchedSignature, TimedSignature
from model_service.model_server.status import Code, ServingError
from model_service.model_server.text_protos import read_text_proto
from model_service.model_server.versions import Servable
from model_service.model_server.warmup import has_warmup_requests, warm_up

if TYPE_CHECKING:
    from model_service.model_server.monitoring import Metrics

_MODEL_PARAMETERS = "batching_params.pbtxt"


class ModelLoader:
    """Loads version folders.

    Args:
        flags: of the command line.
        metrics: where loads and runs are recorded; None: nowhere.

    Raises:
        ServingError: a file that a flag names cannot be used.
    """

    def __init__(self, flags: ServerFlags, metrics: Metrics | None = None):
        self._metrics = metrics
        both = flags.tensorflow_session_parallelism
        self._options = EngineOptions(
            tags=tuple(flags.saved_model_tags.split(",")),
            intra_op_threads=flags.tensorflow_intra_op_parallelism or both,
            inter_op_threads=flags.tensorflow_inter_op_parallelism or both,
            gpu_memory_fraction=flags.per_process_gpu_memory_fraction,
            session_config=_session_config(flags),
        )
        self._warmup_iterations = 0
        if flags.enable_model_warmup:
            self._warmup_iterations = max(1, flags.num_request_iterations_for_warmup)
        self._interpreters = 0
        if flags.prefer_tflite_model:
            self._interpreters = max(1, flags.num_tflite_pools * flags.num_tflite_interpreters_per_pool)
        self._has_model_parameters = flags.enable_per_model_batching_parameters
        self._scheduler = _shared_scheduler(flags)

    def __call__(self, config: ModelConfig, directory: Path) -> Model:
        """Load a version folder.

        Raises:
            ServingError: it cannot be loaded.
        """
        if self._metrics is None:
            return self._load(config, directory, self._signature_type(directory))
        observe = partial(self._metrics.observe_run, config.name)
        started = time.perf_counter()
        is_loaded = False
        try:
            model = self._load(config, directory, partial(TimedSignature, self._signature_type(directory), observe))
            is_loaded = True
        finally:
            self._metrics.observe_load(str(directory), time.perf_counter() - started, is_loaded)
        return model

    def _load(self, config: ModelConfig, directory: Path, make_signature: MakeSignature) -> Model:
        model = self._read(directory, make_signature)
        if self._warmup_iterations and has_warmup_requests(directory):
            started = time.perf_counter()
            warm_up(Servable(config.name, int(directory.name), model), directory, self._warmup_iterations)
            if self._metrics is not None:
                self._metrics.observe_warmup(str(directory), time.perf_counter() - started)
        return model

    def _read(self, directory: Path, make_signature: MakeSignature) -> Model:
        if self._interpreters and (directory / lite.FILE_NAME).exists():
            return lite.LiteModel(directory / lite.FILE_NAME, self._interpreters, make_signature)
        return SavedModel(directory, self._options, make_signature)

    def _signature_type(self, directory: Path) -> MakeSignature:
        scheduler = self._scheduler
        path = directory / _MODEL_PARAMETERS
        if scheduler is not None and self._has_model_parameters and path.exists():
            scheduler = BatchScheduler(read_batching_options(str(path)))
        return Signature if scheduler is None else partial(BatchedSignature, scheduler)


def _session_config(flags: ServerFlags) -> Any:
    if not flags.tensorflow_session_config_file:
        return None
    return read_text_proto(flags.tensorflow_session_config_file, ConfigProto)


def _shared_scheduler(flags: ServerFlags) -> BatchScheduler | None:
    if not flags.enable_batching:
        for name in ("batching_parameters_file", "enable_per_model_batching_parameters"):
            if getattr(flags, name):
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"server_options.{name} is set without setting server_options.enable_batching to true.",
                )
        return None
    if not flags.batching_parameters_file:
        return BatchScheduler(_batching_options(BatchingParameters()))
    return BatchScheduler(read_batching_options(flags.batching_parameters_file))


def read_batching_options(path: str) -> BatchingOptions:
    """Read a text file of BatchingParameters.

    Raises:
        ServingError: it cannot be read, or its values contradict each other.
    """
    return _batching_options(read_text_proto(path, BatchingParameters))


def _batching_options(parameters: Any) -> BatchingOptions:
    default = BatchingOptions()

    def value(name: str, otherwise: int) -> int:
        return int(getattr(parameters, name).value) if parameters.HasField(name) else otherwise

    most = value("max_batch_size", default.max_batch_rows)
    splits = parameters.enable_large_batch_splitting.value
    if splits and parameters.HasField("max_execution_batch_size"):
        most = value("max_execution_batch_size", most)
    options = BatchingOptions(
        max_batch_rows=most,
        timeout_seconds=value("batch_timeout_micros", 0) / 1e6,
        max_queued_batches=value("max_enqueued_batches", default.max_queued_batches),
        threads=value("num_batch_threads", os.cpu_count() or 1),
        allowed_rows=tuple(parameters.allowed_batch_sizes),
        pads_inputs=parameters.pad_variable_length_inputs,
        splits_large=splits,
    )
    _check(options)
    return options


def _check(options: BatchingOptions) -> None:
    for name, number, least in (
        ("max_batch_size", options.max_batch_rows, 1),
        ("batch_timeout_micros", options.timeout_seconds, 0),
        ("max_enqueued_batches", options.max_queued_batches, 1),
        ("num_batch_threads", options.threads, 1),
    ):
        if number < least:
            raise ServingError(Code.INVALID_ARGUMENT, f"{name} must be at least {least}; was {number:g}")
    allowed = options.allowed_rows
    if allowed and list(allowed) != sorted(set(allowed)):
        raise ServingError(Code.INVALID_ARGUMENT, "allowed_batch_sizes entries must be monotonically increasing")
    if allowed and allowed[0] < 1:
        raise ServingError(Code.INVALID_ARGUMENT, "allowed_batch_sizes entries must be at least 1")
    if allowed and allowed[-1] != options.max_batch_rows:
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"Last entry in allowed_batch_sizes must match max_batch_size; last entry was {allowed[-1]}; expected "
            f"{options.max_batch_rows}",
        )
