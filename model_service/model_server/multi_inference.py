"""MultiInference: several Classify and Regress tasks of one model on the same examples, in one run of its graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from model_service.model_server import classify, regress
from model_service.model_server.engine import Signature
from model_service.model_server.inference import ChooseOutputs, fill_model_spec, invalid, run_on_examples
from model_service.model_server.messages import MultiInferenceResponse
from model_service.model_server.predict import DEFAULT_SIGNATURE
from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array
from model_service.model_server.versions import Servable


@dataclass(frozen=True, slots=True)
class _Method:
    choose_outputs: ChooseOutputs
    fill_result: Callable[[Any, Mapping[str, Array], int], None]
    result_field: str


@dataclass(frozen=True, slots=True)
class _Task:
    signature: Signature
    method: _Method
    outputs: tuple[str, ...]


_METHODS: Mapping[str, _Method] = {
    classify.METHOD_NAME: _Method(classify.choose_outputs, classify.fill_result, "classification_result"),
    regress.METHOD_NAME: _Method(regress.choose_outputs, regress.fill_result, "regression_result"),
}


def multi_inference(servable: Servable, request: Any, check_name: bool) -> Any:
    """Answer a MultiInferenceRequest.

    Args:
        servable: the loaded version that the first task names; it answers all of them.
        request: the request.
        check_name: refuse signatures whose method name is not the task's.

    Raises:
        ServingError: the tasks do not fit the model or each other, or the model fails.
    """
    tasks = _read_tasks(servable, request.tasks, check_name)
    first = tasks[0].signature
    joined = first.joined([task.signature for task in tasks[1:]])
    names = {task.signature.outputs[alias] for task in tasks for alias in task.outputs}
    count, tensors = run_on_examples(joined, request.input, tuple(sorted(names)))
    response = MultiInferenceResponse()
    for task in tasks:
        entry = response.results.add()
        outputs = {alias: tensors[task.signature.outputs[alias]] for alias in task.outputs}
        task.method.fill_result(getattr(entry, task.method.result_field), outputs, count)
        fill_model_spec(entry.model_spec, servable, task.signature)
    return response


def _read_tasks(servable: Servable, sent: Any, check_name: bool) -> list[_Task]:
    tasks: list[_Task] = []
    for task in sent:
        spec = task.model_spec
        if not spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if spec.name != servable.name:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        signature = _find_signature(servable, spec.signature_name or DEFAULT_SIGNATURE, tasks)
        method = _METHODS.get(task.method_name)
        if method is None:
            raise ServingError(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        tasks.append(_Task(signature, method, method.choose_outputs(signature, check_name)))
    return tasks


def _find_signature(servable: Servable, name: str, tasks: list[_Task]) -> Signature:
    if any(task.signature.name == name for task in tasks):
        raise invalid(f"Duplicate evaluation of signature: {name}")
    signature = servable.model.signatures.get(name)
    if signature is None:
        raise invalid(f"Requested signature not found in model graph: {name}")
    return signature
