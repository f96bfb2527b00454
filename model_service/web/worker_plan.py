"""What the parent process decides for its workers; loads neither gRPC nor the author's code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_service.inference.service_plan import ServicePlan
from model_service.web.options import ServeOptions


@dataclass(frozen=True)
class WorkerPlan:
    """Everything a worker carries out.

    Attributes:
        run_root: private folder of this service; holds ``backend/``, a run folder per worker, and what workers leave
            for the parent.
    """

    options: ServeOptions
    service: ServicePlan
    run_root: Path

    @property
    def failure_path(self) -> Path:
        """Where a worker that cannot load leaves the reason."""
        return self.run_root / "worker-failure.txt"

    @property
    def loaded_path(self) -> Path:
        """Touched by the first worker that has loaded."""
        return self.run_root / "worker-loaded"
