"""The libraries of the extra ``evaluate``."""

from __future__ import annotations

import importlib

from model_service.evaluation.errors import EvaluationError


def require(module: str, remedy: str = "") -> None:
    """Import a library of the extra, so that its absence is told before any work.

    Raises:
        EvaluationError: it is not installed, or cannot be imported; says how to install it.
    """
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise EvaluationError(
            f"{module} cannot be imported ({error}). Install it: pip install 'tf-model-service[evaluate]'{remedy}"
        ) from error
