"""Configuration files: protobuf messages in text format."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from model_service.model_server.status import Code, ServingError

_log = logging.getLogger(__name__)


def read_text_proto(path: str, message_type: Any) -> Any:
    """Read a message from a file in text format.

    Args:
        path: the file, as the flag gave it.
        message_type: the class of the message.

    Raises:
        ServingError: the file cannot be read, or is no such message; the log says where and why.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ServingError(Code.NOT_FOUND, f"{path}; {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _invalid(path, message_type, f"not UTF-8: {error.reason} at byte {error.start}") from error
    try:
        return text_format.Parse(text, message_type())
    except (text_format.ParseError, RecursionError) as error:
        raise _invalid(path, message_type, str(error)) from error


def _invalid(path: str, message_type: Any, reason: str) -> ServingError:
    _log.error("Error parsing text-format %s: %s", message_type.DESCRIPTOR.full_name, reason)
    return ServingError(Code.INVALID_ARGUMENT, f"Invalid protobuf file: '{path}'")
