"""One SavedModel in TensorFlow's runtime: signatures called through C-level callables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions

from model_service.tfs.signature import SERVE_TAG

_v1 = tf.compat.v1
_RunCallable = Callable[..., list[np.ndarray[Any, Any]]]


class LoadedModel:
    """A SavedModel's graph with its variables, ready to run. Safe to share between threads.

    Args:
        directory: the version folder.
        intra_op_threads: threads within one operation; 0: TensorFlow chooses.
        inter_op_threads: operations at a time; 0: TensorFlow chooses.

    Attributes:
        signatures: SignatureDef by name.
    """

    def __init__(self, directory: Path, intra_op_threads: int = 0, inter_op_threads: int = 0):
        config = _v1.ConfigProto(
            intra_op_parallelism_threads=intra_op_threads, inter_op_parallelism_threads=inter_op_threads
        )
        self._session = _v1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            meta_graph = _v1.saved_model.load(self._session, [SERVE_TAG], str(directory))
        self.signatures: Mapping[str, Any] = dict(meta_graph.signature_def)
        self._callables: dict[tuple[str, tuple[str, ...]], _RunCallable] = {}
        self._lock = threading.Lock()

    def run(
        self, signature_name: str, inputs: Sequence[np.ndarray[Any, Any]], outputs: Sequence[str]
    ) -> list[np.ndarray[Any, Any]]:
        """Run a signature.

        Args:
            signature_name: one of ``signatures``.
            inputs: one array per input of the signature, in the order of its sorted names.
            outputs: the names of the outputs to compute.

        Raises:
            tf.errors.OpError: the graph refuses the inputs or fails.
        """
        key = signature_name, tuple(outputs)
        run = self._callables.get(key)
        if run is None:
            with self._lock:
                run = self._callables.setdefault(key, self._make_callable(*key))
        return run(*inputs)

    def _make_callable(self, signature_name: str, outputs: tuple[str, ...]) -> _RunCallable:
        """Unlike ``Session.run`` a callable made of CallableOptions checks no shapes beyond what the graph does."""
        signature = self.signatures[signature_name]
        call = CallableOptions()
        call.feed.extend(signature.inputs[name].name for name in sorted(signature.inputs))
        call.fetch.extend(signature.outputs[name].name for name in outputs)
        made: _RunCallable = self._session._make_callable_from_options(call)
        return made
