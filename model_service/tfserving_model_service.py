"""The name under which service code imports ``TfServingBaseService``."""

from model_service.author.base import SingleNodeService
from model_service.author.runtime import get_tf_server_stub
from model_service.author.tfserving import TfServingBaseService
from model_service.tfs.protos import predict_pb2
from model_service.tfs.tensors import make_tensor_proto

__all__ = [
    "SingleNodeService",
    "TfServingBaseService",
    "get_tf_server_stub",
    "make_tensor_proto",
    "predict_pb2",
]
