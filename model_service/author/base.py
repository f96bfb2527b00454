"""The two base classes below every service class, with the behaviour authors know.

Abstractness is not enforced and constructors need not be called: most packages in the field do neither.
"""

from __future__ import annotations

import logging
import time
from typing import Any

_timing_log = logging.getLogger("model_service.timing")


class ModelService:
    """Something that answers requests. ``model_path`` is a folder for TensorFlow packages."""

    def __init__(self, model_name: str, model_path: str):
        self.ctx = None

    def inference(self, data: Any) -> Any:
        """Answer one request."""

    def ping(self) -> Any:
        """Never called by the server; here because authors may call it."""

    def signature(self) -> Any:
        """Never called by the server; here because authors may call it."""


class SingleNodeService(ModelService):
    """Answers a request in three steps; each gets what the one before returned."""

    def inference(self, data: Any) -> Any:
        """Run the three hooks in order and log how long each took, in milliseconds.

        The log lines have level INFO on the logger ``model_service.timing`` and show with ``--log-level debug``.
        """
        started = time.perf_counter()
        data = self._preprocess(data)
        preprocessed = time.perf_counter()
        data = self._inference(data)
        inferred = time.perf_counter()
        data = self._postprocess(data)
        if _timing_log.isEnabledFor(logging.INFO):
            _log_timings(started, preprocessed, inferred, time.perf_counter())
        return data

    def _preprocess(self, data: Any) -> Any:
        """Turn request data into model inputs, ``{tensor key: array}``. Here: unchanged."""
        return data

    def _inference(self, data: Any) -> Any:
        """Turn model inputs into model outputs. Here: unchanged."""
        return data

    def _postprocess(self, data: Any) -> Any:
        """Turn model outputs into an answer that JSON can say. Here: unchanged."""
        return data


def _log_timings(started: float, preprocessed: float, inferred: float, ended: float) -> None:
    for label, seconds in (
        ("preprocess time", preprocessed - started),
        ("infer time", inferred - preprocessed),
        ("postprocess time", ended - inferred),
        ("latency", ended - started),
    ):
        _timing_log.info("%s: %.3fms", label, seconds * 1000)
