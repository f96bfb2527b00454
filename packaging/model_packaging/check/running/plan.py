"""What the child process of a check is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_packaging.check.running.limits import Limits
from model_service.inference.service_plan import ServicePlan


@dataclass(frozen=True)
class ChildPlan:
    """Everything the child needs to know.

    Attributes:
        run_root: private folder, in which it makes its run folder.
    """

    service: ServicePlan
    run_root: Path
    limits: Limits
