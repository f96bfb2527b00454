"""Messages that neither TensorFlow nor tensorflow-serving-api carries for Python, by their fields.

Sources of the fields: ``session_bundle_config.proto``, ``ssl_config.proto`` and ``monitoring_config.proto`` of
TensorFlow Serving; ``profiler_service.proto`` of TensorFlow (of its messages what the service here reads and writes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, message_factory, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool

_PACKAGE = "tensorflow.serving"
_FILE = "model_service/own_messages.proto"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint64": _Field.TYPE_UINT64,
}

# Message: field: (number, type); "*" before a type: repeated; a capital letter first: a message.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "BatchingParameters": {
        "max_batch_size": (1, "Int64Value"),
        "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"),
        "num_batch_threads": (4, "Int64Value"),
        "thread_pool_name": (5, "StringValue"),
        "allowed_batch_sizes": (6, "*int64"),
        "pad_variable_length_inputs": (7, "bool"),
        "enable_large_batch_splitting": (8, "BoolValue"),
        "max_execution_batch_size": (9, "Int64Value"),
    },
    "SSLConfig": {
        "server_key": (1, "string"),
        "server_cert": (2, "string"),
        "custom_ca": (3, "string"),
        "client_verify": (4, "bool"),
    },
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
    "ProfileRequest": {"duration_ms": (1, "uint64")},
    "ProfileToolData": {"name": (1, "string"), "data": (2, "bytes")},
    "ProfileResponse": {"tool_data": (6, "*ProfileToolData"), "empty_trace": (7, "bool")},
}


def _file() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name=_FILE, package=_PACKAGE, syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name]
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label = _Field.LABEL_REPEATED if kind.startswith("*") else _Field.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in _SCALARS:
                message.field.add(name=field, number=number, label=label, type=_SCALARS[kind])
            else:
                package = _PACKAGE if kind in _MESSAGES else "google.protobuf"
                message.field.add(
                    name=field, number=number, label=label, type=_Field.TYPE_MESSAGE, type_name=f".{package}.{kind}"
                )
    return file


def _message_class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


_pool = DescriptorPool()
_pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
_pool.Add(_file())

BatchingParameters = _message_class("BatchingParameters")
SSLConfig = _message_class("SSLConfig")
MonitoringConfig = _message_class("MonitoringConfig")
ProfileRequest = _message_class("ProfileRequest")
ProfileResponse = _message_class("ProfileResponse")
