"""One SavedModel in TensorFlow's runtime; its signatures are called through C-level callables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from model_service.model_server.dtypes import QUANTIZED
from model_service.model_server.runtime import (
    CallableOptions,
    ConfigProto,
    Graph,
    MetaGraphDef,
    NotFoundError,
    OpError,
    SavedModelLoader,
    Session,
    SignatureDef,
    load_text_operations,
)
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array, to_array

_RunCallable = Callable[..., list[Any]]
MakeCallable = Callable[[Sequence[str], Sequence[str]], Any]

_UNKNOWN_OPERATION = "Op type not registered"
_SAVED_MODEL_NAMES = ("saved_model.pb", "saved_model.pbtxt")
# A graph this small is done before another thread has woken up: it runs in the thread of its request (12 us of CPU a
# call instead of 63). Bigger ones may have branches that are worth running side by side.
_SMALL_GRAPH_NODES = 500
_LOOP_OPS = frozenset({"While", "StatelessWhile", "Enter", "RefEnter"})
_MAX_CALLABLES = 64
_CALLERS_THREAD = -1
_SESSIONS_POOL = 0


@dataclass(frozen=True)
class EngineOptions:
    """How models are run.

    Attributes:
        tags: the tags of the MetaGraph to load.
        intra_op_threads: threads within one operation; 0: as many as there are CPUs.
        inter_op_threads: operations at a time; 0: as many as there are CPUs.
        gpu_memory_fraction: of each GPU's memory; 0: TensorFlow takes what it wants.
        session_config: a ConfigProto to start from; what is set above overrides it.
    """

    tags: tuple[str, ...] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    gpu_memory_fraction: float = 0.0
    session_config: Any = None


@dataclass(frozen=True)
class SignatureInput:
    """One input of a signature.

    Attributes:
        alias: its key in the signature.
        feed: the name of the tensor it feeds.
        dtype: the number of its element type.
        position: its place among the signature's feeds sorted by name, by which TensorFlow's messages count.
        default: what stands for it when it is not sent.
    """

    alias: str
    feed: str
    dtype: int
    position: int
    default: Array | None


class Signature:
    """One signature of a loaded model: what it takes and gives, and the callables that run it."""

    def __init__(self, name: str, definition: Any, make_callable: MakeCallable):
        self.name = name
        self.definition = definition
        feeds = sorted({info.name for info in definition.inputs.values()})
        defaults = {alias: to_array(proto) for alias, proto in getattr(definition, "defaults", {}).items()}
        self.inputs: tuple[SignatureInput, ...] = tuple(
            SignatureInput(alias, info.name, info.dtype, feeds.index(info.name), defaults.get(alias))
            for alias, info in sorted(definition.inputs.items())
        )
        self.input_names: frozenset[str] = frozenset(definition.inputs)
        self.has_defaults = bool(defaults)
        self.outputs: Mapping[str, str] = {alias: info.name for alias, info in sorted(definition.outputs.items())}
        self.output_names: tuple[str, ...] = tuple(self.outputs)
        self._make_callable = make_callable
        self._callables: dict[tuple[str, ...], _RunCallable] = {}
        self._joined: dict[tuple[str, ...], Signature] = {}
        self._lock = threading.Lock()

    def run(self, arrays: Sequence[Array], outputs: tuple[str, ...]) -> list[Any]:
        """Compute outputs.

        Args:
            arrays: one array per input, in the order of ``inputs``, of its element type; any shape the graph takes.
            outputs: aliases of the wanted outputs.

        Returns:
            One array (or bytes, for a scalar string) per wanted output.

        Raises:
            ServingError: the graph refuses the inputs or fails.
        """
        run = self._callables.get(outputs)
        if run is None:
            with self._lock:
                if len(self._callables) >= _MAX_CALLABLES:  # a caller goes through all orders of the outputs
                    self._callables.clear()
                run = self._callables.get(outputs) or self._callables.setdefault(outputs, self._prepare(outputs))
        try:
            return run(*arrays)
        except OpError as error:
            raise serving_error(error) from error
        except UnicodeDecodeError as error:  # TensorFlow quotes what it was sent
            text = error.object.decode("utf-8", "replace")
            raise ServingError(Code.INVALID_ARGUMENT, text) from error

    def joined(self, others: Sequence[Signature]) -> Signature:
        """Return a signature that takes the inputs and gives the outputs of all, each under its tensor's name.

        Args:
            others: signatures of the same model; what they take, under its tensor's name, is an input too.
        """
        names = tuple(other.name for other in others)
        joined = self._joined.get(names)
        if joined is None:
            definition = SignatureDef()
            for signature in (self, *others):
                for info in signature.definition.inputs.values():
                    definition.inputs[info.name].CopyFrom(info)
                for info in signature.definition.outputs.values():
                    definition.outputs[info.name].CopyFrom(info)
            joined = self._joined.setdefault(names, Signature(self.name, definition, self._make_callable))
        return joined

    def _prepare(self, outputs: tuple[str, ...]) -> _RunCallable:
        made: _RunCallable = self._make_callable(
            [wanted.feed for wanted in self.inputs], [self.outputs[alias] for alias in outputs]
        )
        numbers = [self.definition.outputs[alias].dtype for alias in outputs]
        return _with_quantized(made, numbers) if QUANTIZED.keys() & set(numbers) else made


def _with_quantized(run: _RunCallable, numbers: Sequence[int]) -> _RunCallable:
    """Give results of quantized element types back as such; sessions say only which integers they are stored in."""
    places = [(place, QUANTIZED[number]) for place, number in enumerate(numbers) if number in QUANTIZED]

    def run_quantized(*arrays: Array) -> list[Any]:
        results = list(run(*arrays))
        for place, numpy in places:
            results[place] = np.asarray(results[place]).view(numpy)
        return results

    return run_quantized


MakeSignature = Callable[[str, Any, MakeCallable], Signature]


class Model(Protocol):
    """A loaded model."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """The signatures by name."""


class SavedModel:
    """A SavedModel's graph with its variables, tables and assets, ready to run. Safe to share between threads.

    Its memory is given back when the last reference to it is gone.

    Args:
        directory: the version folder.
        options: how it is run.
        make_signature: Signature, or what does more.

    Attributes:
        signatures: by name.

    Raises:
        ServingError: it cannot be loaded.
    """

    def __init__(self, directory: Path, options: EngineOptions, make_signature: MakeSignature = Signature):
        if not any((directory / name).exists() for name in _SAVED_MODEL_NAMES):
            raise ServingError(
                Code.NOT_FOUND,
                f"Could not find SavedModel .pb or .pbtxt at supplied export directory path: {directory}. Check that "
                "the directory exists and that you have the right permissions for accessing it.",
            )
        with _load_errors():
            self._session, meta_graph = _load(directory, options)
            self._inter_op_pool = _choose_pool(meta_graph, options)
            self.signatures: Mapping[str, Signature] = {
                name: make_signature(name, definition, self._make_callable)
                for name, definition in sorted(meta_graph.signature_def.items())
            }

    def _make_callable(self, feeds: Sequence[str], fetches: Sequence[str]) -> Any:
        """Unlike ``Session.run`` such a callable checks no shapes beyond what the graph itself does."""
        options = CallableOptions()
        options.feed.extend(feeds)
        options.fetch.extend(fetches)
        options.run_options.inter_op_thread_pool = self._inter_op_pool
        return self._session._make_callable_from_options(options)


def serving_error(error: Any) -> ServingError:
    """Turn TensorFlow's error into ours, code and text unchanged."""
    return ServingError(Code(error.error_code), error.message)


def _load(directory: Path, options: EngineOptions) -> tuple[Session, MetaGraphDef]:
    loader = SavedModelLoader(str(directory))
    tags = options.tags
    try:
        loader.get_meta_graph_def_from_tags(tags)
    except RuntimeError as error:
        raise ServingError(
            Code.NOT_FOUND,
            f"Could not find meta graph def matching supplied tags: {{ {' '.join(tags)} }}. To inspect available "
            "tag-sets in the SavedModel, please use the SavedModel CLI: `saved_model_cli`",
        ) from error
    session = Session(graph=Graph(), config=_session_config(options))
    try:
        with session.graph.as_default():
            return session, loader.load(session, tags)
    except NotFoundError as error:
        if _UNKNOWN_OPERATION not in error.message or not load_text_operations():
            raise
    return _load(directory, options)


@contextmanager
def _load_errors() -> Iterator[None]:
    try:
        yield
    except OpError as error:
        raise serving_error(error) from error
    except OSError as error:
        raise ServingError(Code.DATA_LOSS, str(error)) from error
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ServingError(Code.INVALID_ARGUMENT, str(error)) from error


def _session_config(options: EngineOptions) -> Any:
    config = ConfigProto(allow_soft_placement=True)
    if options.session_config is not None:
        config.MergeFrom(options.session_config)
    if options.intra_op_threads:
        config.intra_op_parallelism_threads = options.intra_op_threads
    if options.inter_op_threads:
        config.inter_op_parallelism_threads = options.inter_op_threads
    if options.gpu_memory_fraction:
        config.gpu_options.per_process_gpu_memory_fraction = options.gpu_memory_fraction
    return config


def _choose_pool(meta_graph: MetaGraphDef, options: EngineOptions) -> int:
    graph = meta_graph.graph_def
    bodies = [graph.node, *(function.node_def for function in graph.library.function)]
    is_small = sum(map(len, bodies)) <= _SMALL_GRAPH_NODES
    if (
        _session_config(options).inter_op_parallelism_threads
        or not is_small
        or any(node.op in _LOOP_OPS for body in bodies for node in body)
    ):
        return _SESSIONS_POOL
    return _CALLERS_THREAD
