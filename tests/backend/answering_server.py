"""A model server without TensorFlow, up in a moment: ``answering_server.py ADDRESS [SIGNATURE...]``.

Serves a model ``serve``; every signature takes images f32 [?, 784] and gives scores f32 [1, 10]: 0.0, 0.1, ... 0.9.
"""

from __future__ import annotations

import sys
from concurrent import futures
from typing import Any

import grpc

from model_service.tfs.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

FLOAT = 1


def check_name(request: Any, context: grpc.ServicerContext) -> None:
    if request.model_spec.name != "serve":
        context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {request.model_spec.name}")


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    def __init__(self, signatures: list[str]):
        self._signatures = signatures

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        check_name(request, context)
        if request.model_spec.signature_name not in self._signatures:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "Serving signature key not found.")
        reply = predict_pb2.PredictResponse()
        scores = reply.outputs["scores"]
        scores.dtype = FLOAT
        for size in (1, 10):
            scores.tensor_shape.dim.add().size = size
        scores.float_val.extend(number / 10 for number in range(10))
        return reply

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        check_name(request, context)
        signature_map = get_model_metadata_pb2.SignatureDefMap()
        for name in self._signatures:
            definition = signature_map.signature_def[name]
            for infos, key, width in ((definition.inputs, "images", 784), (definition.outputs, "scores", 10)):
                infos[key].dtype = FLOAT
                for size in (-1, width):
                    infos[key].tensor_shape.dim.add().size = size
        reply = get_model_metadata_pb2.GetModelMetadataResponse()
        reply.metadata["signature_def"].Pack(signature_map)
        return reply


class Models(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        check_name(request, context)
        reply = get_model_status_pb2.GetModelStatusResponse()
        reply.model_version_status.add(version=1, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE)
        return reply


def main(address: str, *signatures: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    servicer = Predictions(list(signatures) or ["predict_images"])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server)
    server.add_insecure_port(address)
    server.start()
    print(f"answering at {address}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
