"""Compares model_service.tfs.tensors with real TensorFlow, in a process of its own.

Prints one JSON object, case -> "" or what differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from model_service.tfs import tensors
from model_service.tfs.dtypes import BY_NAME
from model_service.tfs.protos import tensor_pb2
from model_service.tfs.signature import TensorSpec

SHAPES: list[tuple[int, ...]] = [(), (3,), (2, 3), (0, 2)]
LIKE_TENSORFLOW: dict[str, tuple[object, object, object]] = {
    "a float": (1.5, None, None),
    "floats": ([[1.5, 2]], None, None),
    "ints": ([1, 2], None, None),
    "large ints": ([1, 2**40], None, None),
    "booleans": ([True, False], None, None),
    "complex": ([1 + 2j], None, None),
    "text": (["a", "bc"], None, None),
    "one text": ("a", None, None),
    "float64 array": (np.array([1.5, 2]), None, None),
    "int64 array": (np.array([1, 2]), None, None),
    "float64 scalar": (np.float64(1.5), None, None),
    "half array": (np.array([1.5], dtype=np.float16), None, None),
    "array cast to int32": (np.array([1, 2]), np.int32, None),
    "array cast to uint8": (np.array([1.9, 2]), np.uint8, None),
    "list as float64": ([1, 2], np.float64, None),
    "ints as float32": ([1, 2], np.float32, None),
    "by number": ([1, 2], 1, None),
    "by name": ([1, 2], "float32", None),
    "text by name": (["a"], "string", None),
    "text by object": (["a"], object, None),
    "reshaped": ([1, 2, 3, 4], None, (2, 2)),
    "repeated": (7.5, None, (2, 2)),
    "repeated list of one": ([7.5], None, (2, 2)),
    "one nested value, lower rank": ([[7.5]], None, (1,)),
    "empty": ([], None, None),
}


def counting(name: str, shape: tuple[int, ...], tf: Any) -> Any:
    """An array that TensorFlow calls by this element type."""
    count = int(np.prod(shape))
    if name == "string":
        return np.array([f"zwölf {index}".encode() for index in range(count)], dtype=object).reshape(shape)
    return np.arange(count).reshape(shape).astype(tf.dtypes.as_dtype(name).as_numpy_dtype)


def plain(value: Any) -> Any:
    """An array in NumPy's own types: bfloat16 as float32, text as objects."""
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    return np.asarray(value, dtype=object) if array.dtype.kind == "S" else array


def same(ours: Any, theirs: Any) -> str:
    """Compare shape, type and content."""
    ours, theirs = plain(ours), plain(theirs)
    if ours.shape != theirs.shape:
        return f"shape {ours.shape}, TensorFlow {theirs.shape}"
    if ours.dtype != theirs.dtype:
        return f"type {ours.dtype}, TensorFlow {theirs.dtype}"
    return "" if ours.tolist() == theirs.tolist() else f"{ours.tolist()}, TensorFlow {theirs.tolist()}"


def check_sending(name: str, tf: Any) -> str:
    """TensorFlow reads what we send."""
    for shape in SHAPES:
        proto = tensor_pb2.TensorProto()
        array = counting(name, shape, tf)
        tensors.set_tensor(proto, array, TensorSpec("x", BY_NAME[name], None))
        read = tf.make_ndarray(proto)
        problem = same(read, array) or same(tf.io.parse_tensor(proto.SerializeToString(), name).numpy(), array)
        if problem:
            return f"{shape}: {problem}"
    return ""


def check_receiving(name: str, tf: Any) -> str:
    """We read what TensorFlow writes: raw, in value fields, and shortened."""
    for shape in SHAPES:
        array = counting(name, shape, tf)
        protos = [tf.make_tensor_proto(array)]
        if array.size:  # a single value is written once and stands for all
            protos.append(tf.make_tensor_proto(array.ravel()[-1], shape=shape))
            protos.append(tf.make_tensor_proto(array.ravel()[-1:].tolist(), dtype=name, shape=shape))
        protos.append(tf.make_tensor_proto(array.tolist(), dtype=name, shape=shape))
        for proto in protos:
            problem = same(tensors.to_array(proto), tf.make_ndarray(proto))
            if problem:
                return f"{shape}: {problem}"
    return ""


def check_missing_values(name: str, tf: Any) -> str:
    """A shape without any value is full of zeros, also for TensorFlow's C++ side."""
    proto = tensor_pb2.TensorProto(dtype=BY_NAME[name].as_datatype_enum)
    proto.tensor_shape.dim.add().size = 2
    return same(tensors.to_array(proto), tf.io.parse_tensor(proto.SerializeToString(), name).numpy())


def check_raw_strings(tf: Any) -> str:
    """TensorFlow's C++ side takes strings as lengths and bytes in tensor_content; so must we."""
    proto = tensor_pb2.TensorProto(dtype=7, tensor_content=bytes([1, 0, 0xAC, 0x02]) + b"a" + b"x" * 300)
    proto.tensor_shape.dim.add().size = 3
    theirs = tf.io.parse_tensor(proto.SerializeToString(), "string").numpy()
    return same(tensors.to_array(proto), theirs)


def check_making(case: tuple[object, object, object], tf: Any) -> str:
    """Our make_tensor_proto means what TensorFlow's means."""
    values, dtype, shape = case
    ours = tensors.make_tensor_proto(values, dtype, shape)  # type: ignore[arg-type]
    theirs = tf.make_tensor_proto(values, dtype, shape)
    if ours.dtype != theirs.dtype:
        return f"element type {ours.dtype}, TensorFlow {theirs.dtype}"
    return same(tf.make_ndarray(ours), tf.make_ndarray(theirs))


def check_dtype(name: str, tf: Any) -> str:
    """Our element types and TensorFlow's are equal and can stand for each other."""
    ours, theirs = BY_NAME[name], tf.dtypes.as_dtype(name)
    if not (ours == theirs and hash(ours) == hash(theirs) and str(ours) == str(theirs)):
        return f"{ours!r} is not {theirs!r}"
    proto = tensors.make_tensor_proto(["a"] if name == "string" else np.ones(1, dtype=ours.numpy), dtype=theirs)
    return "" if proto.dtype == theirs.as_datatype_enum else f"number {proto.dtype}"


def cases(tf: Any) -> dict[str, Callable[[], str]]:
    """Every case by name."""
    table: dict[str, Callable[[], str]] = {"strings in raw form": lambda: check_raw_strings(tf)}
    for name in BY_NAME:
        table[f"sending {name}"] = lambda name=name: check_sending(name, tf)  # type: ignore[misc]
        table[f"receiving {name}"] = lambda name=name: check_receiving(name, tf)  # type: ignore[misc]
        table[f"missing {name}"] = lambda name=name: check_missing_values(name, tf)  # type: ignore[misc]
        table[f"dtype {name}"] = lambda name=name: check_dtype(name, tf)  # type: ignore[misc]
    for name, case in LIKE_TENSORFLOW.items():
        table[f"make_tensor_proto of {name}"] = lambda case=case: check_making(case, tf)  # type: ignore[misc]
    return table


def outcome(check: Callable[[], str]) -> str:
    """Run one case; an exception is what differs."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - the next case must run
        return f"{type(error).__name__}: {error}"


def main() -> None:
    """Run every case."""
    import tensorflow as tf

    json.dump({name: outcome(check) for name, check in cases(tf).items()}, sys.stdout)


if __name__ == "__main__":
    main()
