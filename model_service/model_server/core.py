"""What the services answer, whatever the transport: messages in, messages out, ServingError for a refusal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from model_service.model_server.classify import classify
from model_service.model_server.engine import Signature
from model_service.model_server.manager import ModelManager
from model_service.model_server.messages import (
    GetModelMetadataResponse,
    GetModelStatusResponse,
    ModelSpec,
    ReloadConfigResponse,
    SignatureDefMap,
)
from model_service.model_server.multi_inference import multi_inference
from model_service.model_server.predict import find_json_signature, predict, predict_arrays
from model_service.model_server.regress import regress
from model_service.model_server.served_models import ServedModels
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array
from model_service.model_server.versions import Servable

_log = logging.getLogger(__name__)

_SIGNATURE_FIELD = "signature_def"


class ServerCore:
    """The services' methods. Every method takes a request message, returns its response, and raises ServingError.

    Args:
        manager: knows the loaded models.
        models: knows the labels, and changes the set of models.
        as_tensor_content: Predict answers with raw bytes instead of value fields.
        check_method_name: Classify, Regress and MultiInference refuse signatures of another method name.
    """

    def __init__(
        self,
        manager: ModelManager,
        models: ServedModels,
        as_tensor_content: bool = False,
        check_method_name: bool = False,
    ):
        self._manager = manager
        self._models = models
        self._as_tensor_content = as_tensor_content
        self._check_method_name = check_method_name

    def predict(self, request: Any) -> Any:
        """Answer a PredictRequest."""
        return predict(self._find(request), request, self._as_tensor_content)

    def predict_arrays(self, spec: Any, read: Callable[[Signature], Mapping[str, Array]]) -> dict[str, Any]:
        """Answer a prediction whose tensors came in no message.

        Args:
            spec: the ModelSpec.
            read: returns the inputs for the signature that the spec names, by alias.

        Returns:
            The outputs by alias.
        """
        signature = find_json_signature(self.find(spec), spec.signature_name)
        return predict_arrays(signature, read(signature))

    def classify(self, request: Any) -> Any:
        """Answer a ClassificationRequest."""
        return classify(self._find(request), request, self._check_method_name)

    def regress(self, request: Any) -> Any:
        """Answer a RegressionRequest."""
        return regress(self._find(request), request, self._check_method_name)

    def multi_inference(self, request: Any) -> Any:
        """Answer a MultiInferenceRequest; its first task says which version answers all."""
        first = request.tasks[0].model_spec if request.tasks else ModelSpec()
        return multi_inference(self.find(first), request, self._check_method_name)

    def get_model_metadata(self, request: Any) -> Any:
        """Answer a GetModelMetadataRequest."""
        _require_spec(request)
        if not request.metadata_field:
            raise ServingError(
                Code.INVALID_ARGUMENT, "GetModelMetadataRequest must specify at least one metadata_field"
            )
        for name in request.metadata_field:
            if name != _SIGNATURE_FIELD:
                raise ServingError(Code.INVALID_ARGUMENT, f"Metadata field {name} is not supported")
        servable = self._find(request)
        signatures = SignatureDefMap()
        for name, signature in servable.model.signatures.items():
            signatures.signature_def[name].CopyFrom(signature.definition)
        response = GetModelMetadataResponse()
        response.model_spec.name = servable.name
        response.model_spec.version.value = servable.version
        response.metadata[_SIGNATURE_FIELD].Pack(signatures)
        return response

    def get_model_status(self, request: Any) -> Any:
        """Answer a GetModelStatusRequest."""
        _require_spec(request)
        name, version = request.model_spec.name, self._version_of(request.model_spec)
        statuses = self._manager.statuses(name)
        if not statuses:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        if version is not None:
            if version not in statuses:
                raise ServingError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
            statuses = {version: statuses[version]}
        response = GetModelStatusResponse()
        for number, status in statuses.items():
            entry = response.model_version_status.add(version=number, state=int(status.state))
            entry.status.SetInParent()
            if status.error is not None:
                entry.status.error_code = int(status.error.code)
                entry.status.error_message = status.error.message
        return response

    def reload_config(self, request: Any, is_wanted: Callable[[], bool]) -> Any:
        """Answer a ReloadConfigRequest when its new models are in memory, or cannot be loaded.

        Args:
            request: the request.
            is_wanted: asked now and then whether the caller still waits.
        """
        try:
            self._models.reload(request.config, is_wanted)
        except ServingError as error:
            _log.error("ReloadConfig failed: %s", error.message)
            raise
        response = ReloadConfigResponse()
        response.status.SetInParent()
        return response

    def _find(self, request: Any) -> Servable:
        _require_spec(request)
        return self.find(request.model_spec)

    def find(self, spec: Any) -> Servable:
        """Return the version that a ModelSpec names."""
        if not spec.name:
            raise ServingError(Code.INVALID_ARGUMENT, "ModelSpec has no name specified.")
        return self._manager.find(spec.name, self._version_of(spec))

    def _version_of(self, spec: Any) -> int | None:
        if spec.HasField("version"):
            return int(spec.version.value)
        if spec.version_label:
            return self._models.version_of(spec.name, spec.version_label)
        return None


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise ServingError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
