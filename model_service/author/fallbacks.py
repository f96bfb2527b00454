"""Modules of the original runtime that stood at top level: ``log``, ``metric``, ``model_def``.

They are found last, by a finder at the end of ``sys.meta_path``: any module of that name in the package or in the
environment wins, and nothing but ``model_service`` is installed at top level.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class MetricsManager:
    """Holds ``metrics``, a dict that service code asks for keys such as ``<model name>_LatencyOverall``. Empty here."""

    metrics: dict[str, object] = {}  # noqa: RUF012 - authors read it on the class


def _fill_log(module: ModuleType) -> None:
    log = importlib.import_module("model_service.log")
    module.__dict__["getLogger"] = log.getLogger


def _fill_metrics_manager(module: ModuleType) -> None:
    module.__dict__["MetricsManager"] = MetricsManager


def _fill_model_def(module: ModuleType) -> None:
    runtime = importlib.import_module("model_service.author.runtime")
    module.__dict__["ModelDef"] = lambda model_name, model_path: runtime.current().model_def()


def _fill_nothing(module: ModuleType) -> None:
    module.__path__ = []


_MODULES: dict[str, Callable[[ModuleType], None]] = {
    "log": _fill_log,
    "metric": _fill_nothing,
    "metric.metrics_manager": _fill_metrics_manager,
    "model_def": _fill_nothing,
    "model_def.model_def": _fill_model_def,
}


class _FallbackFinder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _MODULES:
            return None
        return ModuleSpec(fullname, self, origin="model_service", is_package=_MODULES[fullname] is _fill_nothing)

    def exec_module(self, module: ModuleType) -> None:
        _MODULES[module.__name__](module)


_finder = _FallbackFinder()


def install() -> None:
    """Let the names be found when nothing else provides them. Does nothing the second time."""
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
