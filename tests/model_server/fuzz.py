"""A seeded generator of requests no honest client sends: random, truncated, mutated, oversized, well-formed lies."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from model_service.tfs.protos import get_model_metadata_pb2, get_model_status_pb2, message_module, predict_pb2

classification_pb2 = message_module("classification_pb2")
inference_pb2 = message_module("inference_pb2")
regression_pb2 = message_module("regression_pb2")

_PREDICTION = "/tensorflow.serving.PredictionService"
_MODEL = "/tensorflow.serving.ModelService"
_OVERSIZED_BYTES = 8 << 20
_SIZES = (-(2**63), -1, 0, 1, 2, 3, 255, 2**31, 2**40, 2**62, 2**63 - 1)
_NUMBERS = (
    "0",
    "-0",
    "1",
    "2.5",
    "1e400",
    "-1e-400",
    "9" * 400,
    "NaN",
    "Infinity",
    "-Infinity",
    "0x10",
    "1_0",
    "00",
    "1.",
)

GrpcRequest = tuple[str, bytes]
HttpRequest = tuple[str, str, bytes]


class RequestFuzzer:
    """Endless requests for a server of one model; the same seed gives the same requests.

    Args:
        seed: of the random numbers.
        model: the name of the model.
    """

    def __init__(self, seed: int, model: str):
        self._random = random.Random(seed)
        self._model = model
        self._grpc_samples = list(_grpc_samples(model))
        self._rest_samples = list(_rest_samples())

    def grpc_request(self) -> GrpcRequest:
        """Return the full name of a method and the bytes to send to it."""
        choose = self._random.choice
        method, content = choose(self._grpc_samples)
        kinds: list[Callable[[bytes], bytes]] = [self._random_bytes, self._truncated, self._mutated, self._mutated]
        if self._random.random() < 0.3:
            return f"{_PREDICTION}/Predict", self._lying_tensor()
        if self._random.random() < 0.002:
            return method, self._oversized(content)
        return method, choose(kinds)(content)

    def http_request(self) -> HttpRequest:
        """Return method, target and body of an HTTP request."""
        choose = self._random.choice
        verb, body = choose(self._rest_samples)
        target = f"/v1/models/{self._model}:{verb}"
        if self._random.random() < 0.05:
            noise = "".join(chr(self._random.randrange(33, 127)) for _ in range(self._random.randrange(40)))
            target = choose([f"/{noise}", f"{target}/{noise}", f"/v1/models/{noise}:predict", f"/v1/models/{noise}"])
        if self._random.random() < 0.002:
            return "POST", target, b" " * _OVERSIZED_BYTES + body
        kinds: list[Callable[[bytes], bytes]] = [
            *(self._random_bytes, self._truncated, self._mutated, self._odd_number, self._nested, lambda same: same)
        ]
        return choose(["POST"] * 9 + ["GET", "PUT"]), target, choose(kinds)(body)

    def _random_bytes(self, content: bytes) -> bytes:
        return self._random.randbytes(self._random.randrange(200))

    def _truncated(self, content: bytes) -> bytes:
        return content[: self._random.randrange(len(content) + 1)]

    def _mutated(self, content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(self._random.randrange(1, 6)):
            place = self._random.randrange(len(changed))
            changed[place] = self._random.randrange(256)
        return bytes(changed)

    def _oversized(self, content: bytes) -> bytes:
        return content + self._random.randbytes(16) + bytes(_OVERSIZED_BYTES)

    def _odd_number(self, content: bytes) -> bytes:
        return content.replace(b"2", self._random.choice(_NUMBERS).encode(), 1)

    def _nested(self, content: bytes) -> bytes:
        depth = self._random.choice([1, 2, 5, 200, 5000])
        return content.replace(b"2", b"[" * depth + b"2" + b"]" * self._random.choice([depth, depth - 1]), 1)

    def _lying_tensor(self) -> bytes:
        """A Predict whose message is well formed and whose tensor is not what it says."""
        number = self._random
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = number.choice(["", "", "serving_default", "triple", "no such"])
        for name in number.sample(["x", "a", "b", "inputs", "\x00", "é"], number.randrange(4)):
            tensor = request.inputs[name]
            tensor.dtype = number.randrange(32)
            for _ in range(number.choice([0, 1, 1, 1, 2, 2, 7, 300])):
                tensor.tensor_shape.dim.add(size=number.choice(_SIZES))
            tensor.tensor_shape.unknown_rank = number.random() < 0.05
            if number.random() < 0.5:
                tensor.tensor_content = number.randbytes(number.choice([0, 1, 3, 4, 8, 64]))
            if number.random() < 0.5:
                tensor.float_val.extend([number.random()] * number.randrange(5))
                tensor.string_val.extend([number.randbytes(3)] * number.randrange(3))
                tensor.int_val.extend([number.randrange(-(2**31), 2**31)] * number.randrange(3))
        if number.random() < 0.1:
            request.output_filter.extend(["y", "y", "z"][: number.randrange(4)])
        content: bytes = request.SerializeToString()
        return content


def _grpc_samples(model: str) -> Iterator[GrpcRequest]:
    """One good request per method, to be spoilt."""
    predict = predict_pb2.PredictRequest()
    predict.model_spec.name = model
    predict.inputs["x"].dtype = 1
    predict.inputs["x"].tensor_shape.dim.add(size=2)
    predict.inputs["x"].float_val.extend([2.0, 4.0])
    yield f"{_PREDICTION}/Predict", predict.SerializeToString()
    for method, request in (
        ("Classify", classification_pb2.ClassificationRequest()),
        ("Regress", regression_pb2.RegressionRequest()),
    ):
        request.model_spec.name = model
        request.model_spec.signature_name = f"{method.lower()}_x_to_y"
        _add_example(request.input)
        yield f"{_PREDICTION}/{method}", request.SerializeToString()
    several = inference_pb2.MultiInferenceRequest()
    for method in ("classify", "regress"):
        several.tasks.add(method_name=f"tensorflow/serving/{method}").model_spec.name = model
    _add_example(several.input)
    yield f"{_PREDICTION}/MultiInference", several.SerializeToString()
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = model
    yield f"{_PREDICTION}/GetModelMetadata", metadata.SerializeToString()
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = model
    yield f"{_MODEL}/GetModelStatus", status.SerializeToString()


def _add_example(message: Any) -> None:
    example = message.example_list.examples.add()
    example.features.feature["x"].float_list.value.extend([2.0])


def _rest_samples() -> Iterator[tuple[str, bytes]]:
    for verb, body in (
        ("predict", {"instances": [2.0, 4.0]}),
        ("predict", {"inputs": {"x": [[2.0], [4.0]]}}),
        ("predict", {"signature_name": "serving_default", "instances": [{"x": 2}, {"x": {"b64": "QUJD"}}]}),
        ("classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}], "context": {"y": "é"}}),
        ("regress", {"signature_name": "regress_x_to_y", "examples": [{"x": [2.0, 2]}]}),
    ):
        yield verb, json.dumps(body, ensure_ascii=False).encode()
