"""What the parent process of a run and its workers say to each other, beside batches and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_service.batch.runner import RunnerOptions
from model_service.inference.service_plan import ServicePlan


@dataclass(frozen=True)
class WorkerPlan:
    """Everything a worker needs to know.

    Attributes:
        service: the package, and how it is run.
        run_root: private folder of the run; each worker has its own below it.
        field: form field of files and pictures; None: the contract's.
        mapping_rule: for CSV rows; None: the contract's schema.
        max_item_bytes: the largest file that is read.
        runner: how batches are run.
    """

    service: ServicePlan
    run_root: Path
    field: str | None
    mapping_rule: Mapping[str, Any] | None
    max_item_bytes: int
    runner: RunnerOptions
    log_level: str


@dataclass(frozen=True)
class Refusal:
    """Why a worker cannot start or go on."""

    reason: str
