"""The base class of TensorFlow packages: its ``_inference`` is one gRPC Predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from model_service.author.base import SingleNodeService
from model_service.author.runtime import AuthorRuntime, current


class _WhenFirstRead:
    """An attribute that the runtime supplies unless the author has set it.

    Has no ``__set__``: an attribute of the same name on the instance wins.
    """

    def __init__(self, supply: Callable[[AuthorRuntime], Any], doc: str):
        self._supply = supply
        self.__doc__ = doc

    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        return self if instance is None else self._supply(current())


class TfServingBaseService(SingleNodeService):
    """Subclass it in customize_service.py and override ``_preprocess`` and ``_postprocess``.

    Attributes:
        model_name: the model's name on the model server.
        model_path: the folder of the SavedModel and of the package's other files.
    """

    model = _WhenFirstRead(AuthorRuntime.model_def, "The model: name, path, signature key, element types.")
    stub = _WhenFirstRead(lambda runtime: runtime.stub, "The gRPC stub: ``self.stub.Predict(request, 60.0)``.")

    def __init__(self, model_name: str, model_path: str):
        self.model_name = model_name
        self.model_path = model_path

    def _inference(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Send every key of ``data`` as an input tensor and return every output as nested Python lists.

        Strings come back as bytes, a rank-0 output as a bare Python value.
        """
        return {name: array.tolist() for name, array in _predict(self, data).items()}

    def infer(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As ``_inference``, but return NumPy arrays of the outputs' shapes and element types.

        For answers that are images or masks. The arrays may be read-only.
        """
        return current().predict(inputs)


def _predict(service: TfServingBaseService, inputs: Mapping[str, Any]) -> dict[str, Any]:
    if _is_replaced(service, "stub") or _is_replaced(service, "model"):
        return _predict_as_told(service, inputs, current())
    return TfServingBaseService.infer(service, inputs)


def _is_replaced(service: TfServingBaseService, name: str) -> bool:
    kind = type(service)
    return getattr(kind, name) is not getattr(TfServingBaseService, name) or name in service.__dict__


def _predict_as_told(
    service: TfServingBaseService, inputs: Mapping[str, Any], runtime: AuthorRuntime
) -> dict[str, Any]:
    """The author replaced ``self.stub`` or ``self.model``: use them as the original did, and nothing else of them.

    Their signature need not be the one that we chose: a tensor that ours does not have is sent as its value's own type.
    """
    from model_service.tfs.client import PREDICT_TIMEOUT_SECONDS
    from model_service.tfs.protos import predict_pb2
    from model_service.tfs.tensors import make_tensor_proto, set_tensor, to_array

    request = predict_pb2.PredictRequest()
    request.model_spec.name = service.model.model_name
    request.model_spec.signature_name = service.model.model_signature
    specs = runtime.signature.inputs
    for name, value in inputs.items():
        if name in specs:
            set_tensor(request.inputs[name], value, specs[name])
        else:
            request.inputs[name].CopyFrom(make_tensor_proto(value))
    reply = service.stub.Predict(request, PREDICT_TIMEOUT_SECONDS)
    return {name: to_array(tensor) for name, tensor in reply.outputs.items()}
