"""Watching the three hooks of a service class while requests run, without holding on to what passes through them.

A hook may change the size of an array in place, which NumPy allows only while nobody else refers to it.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from model_packaging.check.running.observation import PHASES
from model_packaging.check.running.summaries import summarise_all
from model_service.author.runtime import AuthorRuntime

_BYTE_RANGE = 255


class Recording:
    """What the hooks did for one request.

    Attributes:
        phase: the hook that is at work, or that has raised; "": none.
        tensors, keys, seconds, scaled: as :class:`model_packaging.check.running.observation.Observation` has them.
    """

    def __init__(self, with_scaled: bool):
        self.with_scaled = with_scaled
        self.phase = ""
        self.tensors: dict[str, dict[str, dict[str, Any]]] = {}
        self.keys: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}
        self.scaled: dict[str, dict[str, Any]] = {}


class HookObserver:
    """Wraps the hooks of a class for good.

    Args:
        service_class: the class whose instances are lent to requests.
        runtime: runs the Predicts with scaled inputs.
    """

    def __init__(self, service_class: type, runtime: AuthorRuntime):
        self._runtime = runtime
        self._local = threading.local()
        for phase in PHASES:
            if hasattr(service_class, phase):
                setattr(service_class, phase, self._wrapped(phase, inspect.getattr_static(service_class, phase)))

    @contextmanager
    def recording(self, with_scaled: bool = False) -> Iterator[Recording]:
        """Record what this thread's request does.

        Args:
            with_scaled: also run the model with its inputs divided by 255.
        """
        self._local.recording = Recording(with_scaled)
        try:
            yield self._local.recording
        finally:
            self._local.recording = None

    def _wrapped(self, phase: str, hook: Any) -> Callable[..., Any]:
        def watched(service: object, given: object, *more: object, **named: object) -> Any:
            bound = hook.__get__(service, type(service))
            recording: Recording | None = getattr(self._local, "recording", None)
            inputs = given if recording and recording.with_scaled and phase == "_inference" else None
            box = [given]
            del given  # the hook's own reference shall be the only one here
            if recording is None:
                return bound(box.pop(), *more, **named)
            recording.phase = phase
            started = time.perf_counter()
            result = bound(box.pop(), *more, **named)
            recording.seconds[phase] = time.perf_counter() - started
            recording.phase = ""
            recording.tensors[phase] = summarise_all(result)
            if isinstance(result, Mapping):
                recording.keys[phase] = [str(key) for key in result]
            if isinstance(inputs, Mapping):
                recording.scaled = self._scaled(inputs)
            return result

        return watched

    def _scaled(self, inputs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        try:
            scaled = {name: np.asarray(value, dtype=np.float32) / _BYTE_RANGE for name, value in inputs.items()}
            return summarise_all(self._runtime.predict(scaled))
        except Exception:  # noqa: BLE001 - a question of ours that the model does not answer is no fault of the package
            return {}
