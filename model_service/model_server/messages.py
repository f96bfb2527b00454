"""TensorFlow Serving's messages. Imported from here only, so that ``runtime`` decides how TensorFlow is loaded."""

from model_service.model_server import runtime as _runtime  # noqa: F401  must be the first

# isort: split
from tensorflow_serving.apis.classification_pb2 import Class, ClassificationRequest, ClassificationResponse
from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig, ModelType

__all__ = [
    "Class",
    "ClassificationRequest",
    "ClassificationResponse",
    "GetModelMetadataRequest",
    "GetModelMetadataResponse",
    "GetModelStatusRequest",
    "GetModelStatusResponse",
    "ModelServerConfig",
    "ModelSpec",
    "ModelType",
    "MultiInferenceRequest",
    "MultiInferenceResponse",
    "PredictRequest",
    "PredictResponse",
    "RegressionRequest",
    "RegressionResponse",
    "ReloadConfigRequest",
    "ReloadConfigResponse",
    "SignatureDefMap",
]
