"""Who works on the batches of a run.

Worker processes of this machine, or a Ray cluster; without hooks nobody but the model server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_service.backend.local import supervised
from model_service.batch.identity import has_arrays
from model_service.batch.items import BatchResult, in_batches
from model_service.batch.options import BatchOptions
from model_service.batch.requests import RequestMaker
from model_service.batch.runner import RunnerOptions
from model_service.batch.sources import CsvSource, Source
from model_service.batch.worker_plan import WorkerPlan
from model_service.inference.preparation import Preparation, ServiceOptions

_WAIT_SECONDS = 1e6  # an item of a batch run may wait for its instance as long as it takes
_TENSORS_IN_FLIGHT = 4


@dataclass(frozen=True)
class Job:
    """What is to be done.

    Attributes:
        options: what the user said.
        source: the items.
        preparation: the package and its model server.
        mapping_rule: for CSV rows; None: the contract's schema.
        run_root: private folder of this run.
    """

    options: BatchOptions
    source: Source
    preparation: Preparation
    mapping_rule: Mapping[str, Any] | None
    run_root: Path


def service_options(options: BatchOptions) -> ServiceOptions:
    """Say how the package runs."""
    lanes = _lanes_per_worker(options)
    return ServiceOptions(
        package=options.package,
        service=options.service,
        model_name=options.model_name,
        backend=options.backend,
        sidecar="auto",
        validate_request="off" if options.tensors else options.validate_request,
        validate_response="off" if options.tensors else options.validate_response,
        threads=options.batch_size * lanes,
        wait_seconds=_WAIT_SECONDS,
        max_image_pixels=options.max_image_pixels,
    )


def _workers(options: BatchOptions) -> int:
    return options.workers or len(os.sched_getaffinity(0))


def _lanes_per_worker(options: BatchOptions) -> int:
    in_flight = options.in_flight or 2 * _workers(options)
    return max(1, in_flight // _workers(options))


@contextmanager
def started_engine(job: Job, start: int) -> Iterator[Iterator[BatchResult]]:
    """Start what works on batches; yields the results of all items from ``start`` on, in order.

    Raises:
        ModelServiceError: it cannot be started.
    """
    options, preparation = job.options, job.preparation
    if options.tensors:
        with _tensor_results(job, start) as results:
            yield results
        return
    plan = _worker_plan(job)
    batches = in_batches(job.source.items(start), options.batch_size, start // options.batch_size)
    if options.engine == "ray":
        from model_service.batch.ray.engine import RayEngine, plan_nodes

        node_plan = plan_nodes(service_options(options), preparation, plan, options.workers)
        with RayEngine(node_plan, options.ray_address) as ray_engine:
            yield ray_engine.run(batches)
        return
    from model_service.batch.workers import LocalEngine

    with (
        supervised(preparation.backend, preparation.backend_folder, preparation.is_lazy) as server,
        LocalEngine(plan, _workers(options)) as engine,  # workers load while the server starts
    ):
        server.wait_until_ready(options.patience)
        yield engine.run(batches)


def _worker_plan(job: Job) -> WorkerPlan:
    options = job.options
    plan = WorkerPlan(
        service=job.preparation.plan,
        run_root=job.run_root,
        field=options.field,
        mapping_rule=job.mapping_rule,
        max_item_bytes=options.max_item_bytes,
        runner=RunnerOptions(
            batch_size=options.batch_size,
            concurrent_batches=_lanes_per_worker(options),
            joins_predicts=not job.preparation.plan.traits.lock_line,
            predict_timeout_seconds=options.predict_timeout,
            patience_seconds=options.patience,
            select=options.select,
        ),
        log_level=options.log_level,
    )
    if isinstance(job.source, CsvSource):  # a rule that cannot be used must be said before the run
        config = plan.service.config
        RequestMaker(
            config, plan.field, plan.mapping_rule, plan.max_item_bytes, plan.service.max_image_pixels
        ).row_mapping()
    return plan


@contextmanager
def _tensor_results(job: Job, start: int) -> Iterator[Iterator[BatchResult]]:
    from model_service.batch.tensor_batches import tensor_batches
    from model_service.batch.tensors import TensorEngine
    from model_service.tfs.client import ModelServerClient

    options, backend = job.options, job.preparation.backend
    with supervised(backend, job.preparation.backend_folder) as server:
        server.wait_until_ready(options.patience)
        client = ModelServerClient(backend.target, backend.model_name)
        try:
            signature = client.read_signature(options.predict_timeout)
            engine = TensorEngine(
                client,
                signature,
                options.in_flight or _TENSORS_IN_FLIGHT,
                options.predict_timeout,
                options.patience,
                has_arrays(options),
            )
            yield engine.run(tensor_batches(job.source, signature, start, options.batch_size))
        finally:
            client.close()
