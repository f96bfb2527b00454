"""GetModelMetadata, GetModelStatus and the health service."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from model_service.tfs.protos import get_model_metadata_pb2, get_model_status_pb2

INVALID = grpc.StatusCode.INVALID_ARGUMENT
AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


def test_metadata(served: Any) -> None:
    client = served("signatures")
    response = client.prediction.GetModelMetadata(client.metadata_request("signature_def"), 10)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "triple", "defaulted"} <= set(signatures.signature_def)
    assert set(signatures.signature_def["serving_default"].outputs) == {"sum", "difference", "rows"}
    assert (response.model_spec.name, response.model_spec.version.value) == ("signatures", 1)


def test_metadata_refusals(served: Any) -> None:
    client = served("signatures")
    ask = client.prediction.GetModelMetadata
    assert client.error_of(ask, client.metadata_request()) == (
        INVALID,
        "GetModelMetadataRequest must specify at least one metadata_field",
    )
    code, text = client.error_of(ask, client.metadata_request("signature_def", "more"))
    assert code is INVALID
    assert text.startswith("Metadata field")
    assert client.error_of(ask, get_model_metadata_pb2.GetModelMetadataRequest()) == (INVALID, "Missing ModelSpec")
    unknown = client.metadata_request("signature_def")
    unknown.model_spec.name = "unknown"
    assert client.error_of(ask, unknown)[0] is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", [None, 123])
def test_status(served: Any, version: int | None) -> None:
    (status,) = served("half_plus_two").status(version).model_version_status
    assert (status.version, status.state) == (123, AVAILABLE)
    assert status.HasField("status")
    assert (status.status.error_code, status.status.error_message) == (0, "")


def test_status_refusals(served: Any) -> None:
    client = served("half_plus_two")
    ask = client.model_service.GetModelStatus
    request = get_model_status_pb2.GetModelStatusRequest()
    assert client.error_of(ask, request) == (INVALID, "Missing ModelSpec")
    request.model_spec.name = "unknown"
    assert client.error_of(ask, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find any versions of model unknown",
    )
    request.model_spec.name = "half_plus_two"
    request.model_spec.version.value = 5
    assert client.error_of(ask, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find version 5 of model half_plus_two",
    )


def test_health(served: Any) -> None:
    check = health_pb2_grpc.HealthStub(served("half_plus_two").channel).Check
    assert check(health_pb2.HealthCheckRequest(), timeout=10).status == health_pb2.HealthCheckResponse.SERVING


def test_health_service_can_be_switched_off(start: Any, connect: Any) -> None:
    client = connect(start("half_plus_two", "--enable_grpc_healthcheck_service=false"))
    check = health_pb2_grpc.HealthStub(client.channel).Check
    assert client.error_of(check, health_pb2.HealthCheckRequest())[0] is grpc.StatusCode.UNIMPLEMENTED
