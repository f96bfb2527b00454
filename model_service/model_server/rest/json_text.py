"""JSON text to Python values and back; errors in the words of the real server's parser."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import orjson

from model_service.model_server.status import Code, ServingError

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_INDENT = "    "
_SHOWN_CHARACTERS = 500
_SHOWN_JSON = json.JSONEncoder(ensure_ascii=False, indent=_INDENT)

_INTEGERS = -(2**63), 2**64 - 1
_MAX_INTEGER_CHARACTERS = 20

# The texts of Python's parser, and what the real one says in their place.
_TEXTS = {
    "Expecting value": "Invalid value.",
    "Extra data": "The document root must not be followed by other values.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}
_TYPE_NAMES = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body that must be a JSON object; NaN, Infinity and -Infinity are numbers.

    Raises:
        ServingError: it is not.
    """
    if not body:
        raise _parse_error("The document is empty", None)
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:  # a mistake, or one of the numbers that strict JSON does not know
        parsed = _parse_slowly(body)
    if not isinstance(parsed, dict):
        raise ServingError(Code.INVALID_ARGUMENT, f"JSON Value: {shown(parsed)} Is not object")
    return parsed


def _parse_slowly(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from error
    try:
        parsed = json.loads(text, parse_float=_finite, parse_int=_int_of_64_bits)
        json.dumps(parsed, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _parse_error(_text_of(error), len(text[: error.pos].encode("utf-8", "replace"))) from error
    except RecursionError as error:
        raise _parse_error("Nested too deeply.", None) from error
    except UnicodeEncodeError as error:
        raise _parse_error("The surrogate pair in string is invalid.", None) from error
    except ValueError as error:
        raise _parse_error("Number too big to be stored in double.", None) from error
    return parsed


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("too big")
    return number


def _int_of_64_bits(digits: str) -> int | float:
    """An integer, or a float where 64 bits do not hold it, as the real parser has it."""
    if len(digits) <= _MAX_INTEGER_CHARACTERS and _INTEGERS[0] <= int(digits) <= _INTEGERS[1]:
        return int(digits)
    return _finite(digits)


def _parse_error(text: str, offset_bytes: int | None) -> ServingError:
    place = "" if offset_bytes is None else f" at offset: {offset_bytes}"
    return ServingError(Code.INVALID_ARGUMENT, f"JSON Parse error: {text}{place}")


def _text_of(error: json.JSONDecodeError) -> str:
    before = error.doc[: error.pos]
    if error.msg == "Expecting value" and not before.strip() and not error.doc.strip():
        return "The document is empty."
    if error.msg == "Expecting ',' delimiter":
        in_object = _innermost_bracket(before) == "{"
        return f"Missing a comma or {'} after an object member' if in_object else '] after an array element'}."
    return _TEXTS.get(error.msg, error.msg)


def _innermost_bracket(text: str) -> str:
    opened: list[str] = []
    for character in _STRING.sub("", text):
        if character in "[{":
            opened.append(character)
        elif character in "]}" and opened:
            opened.pop()
    return opened[-1] if opened else ""


def type_name(value: object) -> str:
    """The parser's name of a value's JSON type."""
    if isinstance(value, bool):
        return str(value)
    return _TYPE_NAMES.get(type(value), "Null")


def shown(value: object) -> str:
    """A value as JSON, for error messages; of long ones only the beginning, whatever their size."""
    text = ""
    for part in _SHOWN_JSON.iterencode(value):
        text += part[: _SHOWN_CHARACTERS + 1]
        if len(text) > _SHOWN_CHARACTERS:
            return f"{text[:_SHOWN_CHARACTERS]}..."
    return text


def encode(key: str, value: Any) -> bytes:
    """Encode ``{key: value}``; arrays of NumPy are lists, float32 is as short as reads back the same.

    Args:
        key: the only key.
        value: JSON values, arrays of numbers or bools, and NumPy scalars among them.
    """
    if _is_finite(value):
        content: bytes = orjson.dumps({key: value}, option=orjson.OPT_SERIALIZE_NUMPY)
        return content
    return json.dumps({key: _plain(value)}, ensure_ascii=False, separators=(",", ":")).encode()


def encode_error(message: str) -> bytes:
    """Encode the body of an error."""
    text = json.dumps({"error": message}, indent=_INDENT, ensure_ascii=False)
    return text.encode("utf-8", "replace")


def _is_finite(value: Any) -> bool:
    if isinstance(value, np.ndarray | np.floating):
        return value.dtype.kind != "f" or bool(np.isfinite(value).all())
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return True


def _plain(value: Any) -> Any:
    """Turn arrays into lists of Python numbers that print as short as the array's own type allows."""
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        return (array.astype("U32").astype(np.float64) if array.dtype == np.float32 else array).tolist()
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
