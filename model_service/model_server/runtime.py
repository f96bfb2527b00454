"""TensorFlow's C++ runtime with as little of its Python around it as loading a SavedModel needs.

``import tensorflow`` takes 3 s and 690 MB, most of it Python that a server never calls. Sessions, the SavedModel loader
and the error classes load in 0.7 s and 430 MB when a bare module stands in for the package while they are imported. The
stand-in stays: nothing else in this process may import TensorFlow.

The whole package is imported instead when ``MODEL_SERVER_FULL_TENSORFLOW=1`` says so, when TensorFlow was imported
before, or when device plug-ins are installed, which only the package itself loads. If a future TensorFlow cannot be
imported this way, the process starts again with that variable set.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

FULL_TENSORFLOW_VARIABLE = "MODEL_SERVER_FULL_TENSORFLOW"
_loaded_packages: set[str] = set()
_NOISE = (
    b"WARNING: All log messages before absl::InitializeLog()",
    b"failed call to cuInit",  # there is no GPU; logged as an error
)


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what native code writes to stderr, then pass on all but information and known noise."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not line.startswith((b"I0", b"I1")) and not any(noise in line for noise in _NOISE):
                    os.write(2, line)


def _stand_in_for_package() -> None:
    if os.environ.get(FULL_TENSORFLOW_VARIABLE) == "1" or "tensorflow" in sys.modules:
        return
    spec = PathFinder.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations or spec.origin is None:
        return  # the import below says what is missing
    if (Path(spec.origin).parent.parent / "tensorflow-plugins").exists():
        return
    package = ModuleType("tensorflow")
    package.__path__ = list(spec.submodule_search_locations)
    package.__file__ = spec.origin
    package.__spec__ = spec
    sys.modules["tensorflow"] = package


def _start_again_with_full_package(error: ImportError | AttributeError) -> None:
    if os.environ.get(FULL_TENSORFLOW_VARIABLE) == "1" or error.name == "tensorflow":
        raise error
    print(f"TensorFlow's runtime alone cannot be imported ({error}); importing the whole package", file=sys.stderr)
    os.environ[FULL_TENSORFLOW_VARIABLE] = "1"
    os.execv(sys.executable, [sys.executable, "-m", "model_service.model_server", *sys.argv[1:]])


def load_text_operations() -> bool:
    """Register the operations of tensorflow-text, which the real server has built in.

    Returns:
        Whether there are any that were not registered before: False when the package is not installed.
    """
    spec = PathFinder.find_spec("tensorflow_text")
    if spec is None or spec.origin is None or spec.origin in _loaded_packages:
        return False
    _loaded_packages.add(spec.origin)
    libraries = sorted(Path(spec.origin).parent.glob("python/**/_*.so"))
    for library in libraries:
        load_op_library(str(library))
    return bool(libraries)


def read_records(path: str) -> Iterator[bytes]:
    """Read the records of a TFRecord file.

    Raises:
        OpError: the file cannot be read, or is damaged.
    """
    return iter(RecordIterator(path, ""))


def library_version() -> str:
    """Return the version of the installed TensorFlow, ``unknown`` if its metadata are missing."""
    for distribution in ("tensorflow", "tensorflow-cpu"):
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "unknown"


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
with _quiet_stderr():
    _stand_in_for_package()
    try:
        from tensorflow.core.framework.tensor_pb2 import TensorProto
        from tensorflow.core.protobuf.config_pb2 import CallableOptions, ConfigProto
        from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef
        from tensorflow.python.client.session import Session
        from tensorflow.python.framework.errors_impl import NotFoundError, OpError
        from tensorflow.python.framework.load_library import load_op_library
        from tensorflow.python.framework.ops import Graph
        from tensorflow.python.lib.io._pywrap_record_io import RecordIterator
        from tensorflow.python.saved_model.loader_impl import SavedModelLoader
    except (ImportError, AttributeError) as error:
        _start_again_with_full_package(error)
    Session(graph=Graph()).close()  # looks for devices, and talks about it
logging.getLogger("tensorflow").setLevel(logging.WARNING)

__all__ = [
    "CallableOptions",
    "ConfigProto",
    "Graph",
    "MetaGraphDef",
    "NotFoundError",
    "OpError",
    "SavedModelLoader",
    "Session",
    "SignatureDef",
    "TensorProto",
    "load_op_library",
    "load_text_operations",
    "read_records",
]
