"""A run on a Ray cluster: Ray Data carries batches to the nodes and their results back; all else is the driver's.

Loads Ray only when a run uses it.
"""

from __future__ import annotations

import logging
import pickle
import threading
import time
import traceback
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from model_service import __version__
from model_service.backend.plan import AUTO, REMOTE, BackendPlan
from model_service.batch.items import Batch, BatchResult
from model_service.batch.outcome import CannotGoOn
from model_service.batch.ray.cluster import Cluster, connected, in_one_line
from model_service.batch.ray.feed import Feed
from model_service.batch.ray.node import NodePlan
from model_service.batch.ray.nodes import Answer, result_of
from model_service.batch.ray.shipping import ship, ship_file
from model_service.batch.worker_plan import WorkerPlan
from model_service.errors import SettingsError
from model_service.inference.preparation import Preparation, ServiceOptions

if TYPE_CHECKING:
    from model_service.batch.ray.actor import Cargo

_log = logging.getLogger(__name__)

_NODES_NAME = "nodes"
_LOCAL_HOSTS = ("unix:", "localhost:", "127.", "[::1]:")
_VERBOSE_LEVELS = ("debug", "info")
_SLOW_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05


def plan_nodes(
    options: ServiceOptions, preparation: Preparation, worker: WorkerPlan, workers_per_node: int | None
) -> NodePlan:
    """Plan what each node does: every one the same, whatever lies on its PATH or in its environment.

    Args:
        options: how the package is run.
        preparation: what they came to on this machine.
        worker: what a worker process here would be told.
        workers_per_node: None: one per CPU of the node.
    """
    layout = preparation.plan.layout
    service = replace(
        options,
        package=layout.model_directory,
        service=layout.service_path if options.service is not None else None,
        backend=_backend_everywhere(options.backend, preparation.backend),
    )
    return NodePlan(service, worker, workers_per_node or 0)


def _backend_everywhere(wanted: str, backend: BackendPlan) -> str:
    if backend.kind == REMOTE:
        return backend.target
    return backend.kind if wanted == AUTO else wanted


class RayEngine:
    """Runs batches on the nodes of a Ray cluster, each of which houses the package and has a model server.

    Args:
        plan: what each node is told; its paths are good on this machine.
        address: of a cluster; None: one of this machine alone is started.

    Raises:
        SettingsError: Ray is not installed, or the cluster cannot be used.
    """

    def __init__(self, plan: NodePlan, address: str | None):
        self._plan = plan
        self._folder = plan.worker.run_root / _NODES_NAME
        self._folder.mkdir()
        self._stack = ExitStack()
        with ExitStack() as stack:
            stack.callback(_wait_for_nodes, self._folder)
            self._cluster = stack.enter_context(connected(address, plan.worker.log_level in _VERBOSE_LEVELS))
            _check_backend(plan, self._cluster)
            self._stack = stack.pop_all()

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stack.close()

    def run(self, batches: Iterable[Batch]) -> Iterator[BatchResult]:
        """Run batches; results come in their order.

        Raises:
            CannotGoOn: the run must stop.
            Exception: what ``batches`` raises.
        """
        results = self._results(batches)
        self._stack.callback(results.close)  # before Ray goes
        return results

    def _results(self, batches: Iterable[Batch]) -> Generator[BatchResult, None, None]:
        with Feed(batches, self._folder) as feed:
            count = 0
            for answer in self._answers(feed):
                yield result_of(answer)
                count += 1
            if feed.error is not None:
                raise feed.error
            if count != feed.count:
                raise CannotGoOn(f"Ray has returned {count} of {feed.count} batches; run the same command again")

    def _answers(self, feed: Feed) -> Iterator[Answer]:
        slow_start = threading.Timer(_SLOW_START_SECONDS, self._complain)
        slow_start.daemon = True
        slow_start.start()
        try:
            dataset = self._dataset(feed.path)
            for block in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
                slow_start.cancel()
                for row in block.column(0):
                    yield pickle.loads(row.as_py())
        except BaseException as error:
            traceback.clear_frames(
                error.__traceback__
            )  # what Ray iterates with ends with them, as long as Ray is there
            if isinstance(error, Exception):  # Ray's exceptions are many, and none of them is ours
                raise CannotGoOn(f"Ray cannot go on: {in_one_line(error)}") from error
            raise
        finally:
            slow_start.cancel()

    def _complain(self) -> None:
        _log.warning(
            "no node has answered a batch for %.0f s; are %d times %g CPUs free on the cluster?",
            _SLOW_START_SECONDS,
            len(self._cluster.cpus),
            self._cluster.cpus_per_node,
        )

    def _dataset(self, feed_path: Path) -> Any:
        import ray.data

        from model_service.batch.ray.actor import Home, RayNode
        from model_service.batch.ray.datasource import FeedDatasource

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        context.target_max_block_size = 1  # byte: so that every batch is a block of its own
        cpus, home_id = self._cluster.cpus, self._cluster.home_id
        most_workers = self._plan.workers or max(cpus.values())
        pool = ray.data.ActorPoolStrategy(
            size=len(cpus),
            max_concurrent_calls_per_actor=most_workers * self._plan.worker.runner.concurrent_batches,
            enable_true_multi_threading=True,
        )
        home = Home(home_id, self._folder, __version__)
        cargo = self._cargo() if set(cpus) - {home_id} else None
        source = ray.data.read_datasource(FeedDatasource(feed_path), num_cpus=0, override_num_blocks=1)
        return source.map_batches(
            RayNode,
            fn_constructor_args=(self._plan, cargo, home, cpus),
            batch_size=None,
            batch_format="pyarrow",
            zero_copy_batch=True,
            num_cpus=self._cluster.cpus_per_node,
            compute=pool,
        )

    def _cargo(self) -> Cargo:
        import ray

        from model_service.batch.ray.actor import Cargo

        package, service = self._plan.service.package, self._plan.service.service
        return Cargo(
            model=ship(package, ray.put),
            service=ship_file(service, service.name, ray.put) if service is not None else None,
        )


def _check_backend(plan: NodePlan, cluster: Cluster) -> None:
    backend = plan.service.backend
    if set(cluster.cpus) != {cluster.home_id} and backend.startswith(_LOCAL_HOSTS):
        raise SettingsError(f"--backend {backend}: means another place on each node; name one that all can reach")


def _wait_for_nodes(folder: Path) -> None:
    """Wait until what ran on this machine has cleaned up; each removes its folder last."""
    deadline = time.monotonic() + _STOP_SECONDS
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
