"""``python compare_with_tensorflow.py``: TensorProtos made at random, decoded by us and by TensorFlow itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from model_service.model_server.dtypes import BY_NUMBER, STRING
from model_service.model_server.tensors import fill_proto, to_array

ROUNDS = 4000
SHAPES: tuple[list[int], ...] = ([], [1], [4], [2, 3], [0], [3, 0], [5, 1, 2])


def _random_proto(random: np.random.Generator) -> Any:
    element = BY_NUMBER[int(random.choice(list(BY_NUMBER)))]
    proto = TensorProto(dtype=element.number)
    shape = SHAPES[random.integers(len(SHAPES))]
    proto.tensor_shape.SetInParent()
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    count = int(np.prod(shape)) + int(random.choice([0, 0, 0, -1, 1]))
    if element is STRING:
        proto.string_val.extend(random.bytes(int(random.integers(4))) for _ in range(max(count, 0)))
    elif random.random() < 0.5:
        content = random.bytes(max(count, 0) * element.numpy.itemsize + int(random.choice([0, 0, 1])))
        proto.tensor_content = bytes(byte & 1 for byte in content) if element.name == "bool" else content
    else:
        size = max(count, 0) * element.numpy.itemsize // element.field_numpy.itemsize
        content = random.bytes(size * element.field_numpy.itemsize)
        drawn = np.frombuffer(content, element.field_numpy) if element.name != "bool" else random.random(size) < 0.5
        if element.field == "float8_val":
            proto.float8_val = content
        else:
            getattr(proto, element.field).extend(drawn.tolist())
    return proto


def _theirs(proto: Any) -> Any:
    try:
        return tf.io.parse_tensor(proto.SerializeToString(), tf.as_dtype(proto.dtype)).numpy()
    except tf.errors.InvalidArgumentError:
        return None


def _ours(proto: Any) -> Any:
    try:
        return to_array(proto)
    except ValueError:
        return None


def main() -> None:
    """Compare decoding, then encoding in both forms."""
    random = np.random.default_rng(7)
    decoded = 0
    for _ in range(ROUNDS):
        proto = _random_proto(random)
        theirs, ours = _theirs(proto), _ours(proto)
        if theirs is None or ours is None:
            assert theirs is None, proto
            assert ours is None, proto
            continue
        decoded += 1
        theirs = np.asarray(theirs, dtype=ours.dtype)
        assert theirs.shape == ours.shape, proto
        assert ours.dtype == object or theirs.tobytes() == ours.tobytes(), proto
        assert ours.dtype != object or theirs.tolist() == ours.tolist(), proto
        for as_content in (True, False):
            again = TensorProto()
            fill_proto(again, ours, as_content)
            back = np.asarray(_theirs(again), dtype=ours.dtype)
            assert back.shape == ours.shape, again
            assert back.tolist() == ours.tolist() or back.tobytes() == ours.tobytes(), again
    assert decoded > ROUNDS // 2
    print(f"{decoded} tensors are the same")


if __name__ == "__main__":
    main()
