"""What Ray runs on each node of a cluster: an actor that houses the package and answers batches."""

from __future__ import annotations

import os
import pickle
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray

from model_service import __version__
from model_service.batch.items import Batch
from model_service.batch.outcome import CannotGoOn
from model_service.batch.ray.node import NodePlan
from model_service.batch.ray.nodes import Answer, Node, absent_files
from model_service.batch.ray.shipping import ShippedFile, unpack

COLUMN = "answer"


@dataclass(frozen=True)
class Home:
    """The node on which the run was started.

    Attributes:
        node_id: Ray's name for it.
        folder: private folder of the run there.
        version: of this library there.
    """

    node_id: str
    folder: Path
    version: str


@dataclass(frozen=True)
class Cargo:
    """A package for nodes that have no copy: the files of its ``model/``, and one in place of customize_service.py."""

    model: Sequence[ShippedFile]
    service: ShippedFile | None


class RayNode:
    """Answers batches; Ray makes one for each node, and makes it again elsewhere when its node is lost.

    Args:
        plan: the package and how it is run; its paths are good at home.
        cargo: the package, for other nodes; None: there are none.
        home: where the run was started.
        cpus: node id -> CPUs that it has for the cluster.
    """

    def __init__(self, plan: NodePlan, cargo: Cargo | None, home: Home, cpus: Mapping[str, int]):
        self._node: Node | None = None
        self._fault = ""
        node_id = ray.get_runtime_context().get_node_id()
        is_home = node_id == home.node_id
        self._name = "" if is_home else platform.node()
        plan = replace(plan, workers=plan.workers or cpus.get(node_id) or len(os.sched_getaffinity(0)))
        try:
            if home.version != __version__:
                raise CannotGoOn(f"has tf-model-service {__version__}, the run was started with {home.version}")
            self._node = Node(plan.workers * plan.worker.runner.concurrent_batches, home.folder if is_home else None)
            if not is_home and cargo is not None:
                plan = _unpacked(plan, cargo, self._node.folder)
            self._node.open(plan)
        except (CannotGoOn, OSError, ray.exceptions.RayError) as error:
            self._fault = f"{error}"  # an actor that fails at its start would be started again, in vain

    def __call__(self, table: pa.Table) -> pa.Table:
        """Answer the batches of a block: one column with a pickled :class:`Answer` each."""
        answers = [pickle.dumps(self._answer(pickle.loads(row.as_py()))) for row in table.column(0)]
        return pa.table({COLUMN: pa.array(answers, pa.large_binary())})

    def _answer(self, batch: Batch) -> Answer:
        if self._node is None or self._fault:
            return Answer(self._fault, self._name)
        try:
            result = self._node.run(batch)
        except CannotGoOn as error:
            return Answer(str(error), self._name)
        is_suspect = result.failed and self._name
        return Answer(result, self._name, absent_files(batch) if is_suspect else ())

    def __del__(self) -> None:
        if self._node is not None:
            self._node.close()


def _unpacked(plan: NodePlan, cargo: Cargo, folder: Path) -> NodePlan:
    """Write the package below a folder; return a plan that names it there."""
    model = folder / "package"
    unpack(cargo.model, model, _fetch)
    service = None
    if cargo.service is not None:
        unpack([cargo.service], folder / "service", _fetch)
        service = folder / "service" / cargo.service.path
    return replace(plan, service=replace(plan.service, package=model, service=service))


def _fetch(ticket: Any) -> bytes:
    content: bytes = ray.get(ticket)
    return content
