"""Classify, Regress and MultiInference."""

from __future__ import annotations

import re
from typing import Any

import grpc
import pytest

from model_service.tfs.protos import prediction_service_pb2_grpc

# isort: split
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
CLASSIFY, REGRESS = "tensorflow/serving/classify", "tensorflow/serving/regress"
assert prediction_service_pb2_grpc


def _fill(request: Any, client: Any, signature: str, xs: list[float], version: int | None = 7) -> Any:
    spec = request.model_spec
    spec.name, spec.signature_name = client.model, signature
    if version is not None:
        spec.version.value = version
    for x in xs:
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(x)
    return request


def _classification(client: Any, signature: str, xs: list[float], version: int | None = None) -> Any:
    return _fill(classification_pb2.ClassificationRequest(), client, signature, xs, version)


def _regression(client: Any, signature: str, xs: list[float], version: int | None = None) -> Any:
    return _fill(regression_pb2.RegressionRequest(), client, signature, xs, version)


def _multi(client: Any, xs: list[float], *tasks: tuple[str, str]) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for signature, method in tasks:
        task = request.tasks.add(method_name=method)
        task.model_spec.name, task.model_spec.signature_name = client.model, signature
    for x in xs:
        request.input.example_list.examples.add().features.feature["x"].float_list.value.append(x)
    return request


def _spec(response: Any) -> tuple[str, int, str]:
    spec = response.model_spec
    return spec.name, spec.version.value, spec.signature_name


def test_classify_with_scores(served: Any) -> None:
    client = served("half_plus_three")
    response = client.prediction.Classify(_classification(client, "classify_x_to_y", [2.0, -6.0, 0.0]), 10)
    found = [[(entry.label, entry.score) for entry in row.classes] for row in response.result.classifications]
    assert found == [[("", 4.0)], [("", 0.0)], [("", 3.0)]]
    assert _spec(response) == ("half_plus_three", 123, "classify_x_to_y")


def test_classify_many_examples(served: Any) -> None:
    client = served("half_plus_three")
    response = client.prediction.Classify(
        _classification(client, "classify_x_to_y", [float(x) for x in range(300)]), 10
    )
    assert [row.classes[0].score for row in response.result.classifications] == [x / 2 + 3 for x in range(300)]


@pytest.mark.parametrize(("signature", "score"), [("labelled", 1.0), ("labels", 0.0)])
def test_classify_with_labels(served: Any, signature: str, score: float) -> None:
    client = served("half_plus_three")
    response = client.prediction.Classify(_classification(client, signature, [2.0, 8.0]), 10)
    rows = [[(entry.label, entry.score) for entry in row.classes] for row in response.result.classifications]
    assert rows == [[("4.0", 4.0 * score), ("2.0", 2.0 * score)], [("7.0", 7.0 * score), ("8.0", 8.0 * score)]]


@pytest.mark.parametrize("signature", ["regress_x_to_y", "regress_vector"])
def test_regress(served: Any, signature: str) -> None:
    client = served("half_plus_three")
    response = client.prediction.Regress(_regression(client, signature, [2.0, 3.0, -6.0]), 10)
    assert [entry.value for entry in response.result.regressions] == [4.0, 4.5, 0.0]
    assert _spec(response) == ("half_plus_three", 123, signature)


def test_context_is_merged_and_the_example_wins(served: Any) -> None:
    client = served("half_plus_three")
    request = _regression(client, "regress_x_to_y", [])
    examples = request.input.example_list_with_context
    examples.context.features.feature["x"].float_list.value.append(10.0)
    examples.examples.add()
    examples.examples.add().features.feature["x"].float_list.value.append(20.0)
    response = client.prediction.Regress(request, 10)
    assert [entry.value for entry in response.result.regressions] == [8.0, 13.0]


@pytest.mark.parametrize("method", ["Classify", "Regress", "MultiInference"])
def test_no_examples(served: Any, method: str) -> None:
    client = served("half_plus_three")
    requests = {
        "Classify": _classification(client, "classify_x_to_y", []),
        "Regress": _regression(client, "regress_x_to_y", []),
        "MultiInference": _multi(client, [], ("regress_x_to_y", REGRESS)),
    }
    for kind in ("", "example_list", "example_list_with_context"):
        request = requests[method]
        if kind:
            getattr(request.input, kind).SetInParent()
        assert client.error_of(getattr(client.prediction, method), request) == (INVALID, "Input is empty.")


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("nowhere", "No signature was found with the name: nowhere"),
        ("no_batch", r"Expected Tensor shape: [batch_size num_classes] but got [2]"),
        ("integers", "Expected scores Tensor of DT_FLOAT. Got: DT_INT64"),
        ("short", "Expected scores output batch size of 2. Got: 1"),
        ("uneven", "Tensors class and score should match in dim_size(1). Got 3 vs. 2"),
        ("serving_default", "No classification inputs found in SignatureDef: inputs {"),
        ("misnamed", 'Expected classification signature outputs to contain at least one of "classes" or "scores".'),
    ],
)
def test_classify_refusals(served: Any, signature: str, text: str) -> None:
    client = served("half_plus_three")
    code, said = client.error_of(client.prediction.Classify, _classification(client, signature, [1.0, 2.0]))
    assert code is INVALID
    assert said.startswith(text)


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("nowhere", "No signature was found with the name: nowhere"),
        ("wide", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"),
        ("one_number", "Input batch size did not match output batch size: 2 vs. 1"),
        ("doubles", "Expected output Tensor of DT_FLOAT.  Got: DT_DOUBLE"),
        ("labelled", "Expected one output Tensor."),
        ("serving_default", "No regression inputs found in SignatureDef: inputs {"),
        ("classify_x_to_y", "No regression outputs found in SignatureDef: inputs {"),
        ("floats_in", "Expects arg[0] to be float but string is provided"),
    ],
)
def test_regress_refusals(served: Any, signature: str, text: str) -> None:
    client = served("half_plus_three")
    code, said = client.error_of(client.prediction.Regress, _regression(client, signature, [1.0, 2.0]))
    assert code is INVALID
    assert said.startswith(text)


def test_two_inputs_are_too_many(served: Any) -> None:
    client = served("signatures")
    for method, request in (
        (client.prediction.Classify, _classification(client, "", [1.0])),
        (client.prediction.Regress, _regression(client, "", [1.0])),
    ):
        assert client.error_of(method, request) == (INVALID, "Expected one input Tensor.")


def test_model_spec_is_checked(served: Any) -> None:
    client = served("half_plus_three")
    for method, request in (
        (client.prediction.Classify, classification_pb2.ClassificationRequest()),
        (client.prediction.Regress, regression_pb2.RegressionRequest()),
    ):
        assert client.error_of(method, request) == (INVALID, "Missing ModelSpec")
    request = _regression(client, "regress_x_to_y", [1.0], version=5)
    assert client.error_of(client.prediction.Regress, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Servable not found for request: Specific(half_plus_three, 5)",
    )


def test_an_example_the_model_cannot_parse(served: Any) -> None:
    client = served("half_plus_three")
    request = _regression(client, "regress_x_to_y", [1.0])
    request.input.example_list.examples.add().features.feature["x"].int64_list.value.append(1)
    code, said = client.error_of(client.prediction.Regress, request)
    assert code is INVALID
    assert "Data types don't match" in said


def test_multi_inference(served: Any) -> None:
    client = served("half_plus_three")
    request = _multi(
        client, [2.0, 4.0], ("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY), ("labelled", CLASSIFY)
    )
    regression, scores, labelled = client.prediction.MultiInference(request, 10).results
    assert [entry.value for entry in regression.regression_result.regressions] == [4.0, 5.0]
    assert [row.classes[0].score for row in scores.classification_result.classifications] == [4.0, 5.0]
    assert [row.classes[1].label for row in labelled.classification_result.classifications] == ["2.0", "4.0"]
    assert _spec(regression) == ("half_plus_three", 123, "regress_x_to_y")
    assert _spec(labelled) == ("half_plus_three", 123, "labelled")


def test_multi_inference_refusals(served: Any) -> None:
    client = served("half_plus_three")

    def refusal(*tasks: tuple[str, str]) -> tuple[grpc.StatusCode, str]:
        code, text = client.error_of(client.prediction.MultiInference, _multi(client, [1.0], *tasks))
        return code, text

    regress, classify = ("regress_x_to_y", REGRESS), ("classify_x_to_y", CLASSIFY)
    assert refusal() == (INVALID, "ModelSpec has no name specified.")
    assert refusal(regress, regress) == (INVALID, "Duplicate evaluation of signature: regress_x_to_y")
    assert refusal(regress, ("nowhere", REGRESS)) == (
        INVALID,
        "Requested signature not found in model graph: nowhere",
    )
    assert refusal(classify, ("serving_default", "tensorflow/serving/predict")) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "Unsupported signature method_name: tensorflow/serving/predict",
    )
    assert refusal(classify, ("floats_in", REGRESS)) == (INVALID, "Expects arg[1] to be float but string is provided")
    other = _multi(client, [1.0], regress, classify)
    other.tasks[1].model_spec.name = "other"
    assert client.error_of(client.prediction.MultiInference, other) == (
        INVALID,
        "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
    )
    other.tasks[1].model_spec.name = ""
    assert client.error_of(client.prediction.MultiInference, other) == (
        INVALID,
        "Found ModelSpec with an empty model name.",
    )


def test_method_names_are_checked_when_asked_for(start: Any, connect: Any) -> None:
    client = connect(start("half_plus_three", "--enable_signature_method_name_check"))
    assert (
        client.prediction.Regress(_regression(client, "regress_x_to_y", [2.0]), 10).result.regressions[0].value == 4.0
    )
    code, text = client.error_of(client.prediction.Classify, _classification(client, "regress_x_to_y", [2.0]))
    assert code is INVALID
    assert re.fullmatch(f"Expected classification signature method_name to be {CLASSIFY}. Was: {REGRESS}", text)
    code, text = client.error_of(client.prediction.Regress, _regression(client, "classify_x_to_y", [2.0]))
    assert (code, text) == (INVALID, f"Expected regression signature method_name to be {REGRESS}. Was: {CLASSIFY}")
