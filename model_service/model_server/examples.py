"""``Input`` messages to what example-parsing signatures take: a vector of serialised ``tf.Example``.

The examples stay as they were sent. A message of the same wire format, whose examples are plain bytes, reads them:
nothing inside an example is decoded here, the model's own ParseExample does that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from model_service.model_server.status import Code, ServingError
from model_service.model_server.tensors import Array

_PACKAGE = "model_service.model_server"
_Field = descriptor_pb2.FieldDescriptorProto


def _make_serialized_input() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="model_service/model_server/serialized_input.proto", package=_PACKAGE, syntax="proto3"
    )
    examples = _Field(name="examples", number=1, type=_Field.TYPE_BYTES, label=_Field.LABEL_REPEATED)
    context = _Field(name="context", number=2, type=_Field.TYPE_BYTES, label=_Field.LABEL_OPTIONAL)
    file.message_type.add(name="SerializedExamples", field=[examples, context])
    kinds = file.message_type.add(name="SerializedInput")
    kinds.oneof_decl.add(name="kind")
    for number, name in enumerate(("example_list", "example_list_with_context"), start=1):
        kinds.field.add(
            name=name,
            number=number,
            type=_Field.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.SerializedExamples",
            label=_Field.LABEL_OPTIONAL,
            oneof_index=0,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.SerializedInput"))


_SerializedInput = _make_serialized_input()


def to_serialized_examples(sent: Any) -> Array:
    """Return the examples of an ``Input``.

    Args:
        sent: the Input message of a request.

    Returns:
        Bytes objects, shape (number of examples,). A context is put before each example: where both have a feature,
        the example's own is read last and wins.

    Raises:
        ServingError: there is no example.
    """
    serialized = _SerializedInput.FromString(sent.SerializeToString())
    kind = serialized.WhichOneof("kind")
    entries = getattr(serialized, kind).examples if kind else ()
    if not entries:
        raise ServingError(Code.INVALID_ARGUMENT, "Input is empty.")
    examples = np.array(list(entries), dtype=object)
    if kind == "example_list_with_context":
        examples = serialized.example_list_with_context.context + examples
    return examples
