"""Recorded requests, as TensorFlow Serving's warm-up replays them."""

from __future__ import annotations

from collections.abc import Mapping

from model_service.tfs.client import predict_request
from model_service.tfs.protos import message_module
from model_service.tfs.signature import Signature

_prediction_log_pb2 = message_module("prediction_log_pb2")


def predict_log(inputs: Mapping[str, object], signature: Signature, model_name: str) -> bytes:
    """Return a PredictionLog message of one Predict, serialized.

    Args:
        inputs: a value for every input of the signature, by tensor key.
        signature: the signature to call.
        model_name: the name on the model server.

    Raises:
        InputRefused: names or element types do not fit the signature.
    """
    log = _prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request(inputs, signature, model_name))
    return bytes(log.SerializeToString())
