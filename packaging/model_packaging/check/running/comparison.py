"""Where two answers differ, with a tolerance for what float32 makes of the same numbers in another batch."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model_service.package.schema import child_pointer

RELATIVE_TOLERANCE = 1e-5
ABSOLUTE_TOLERANCE = 1e-6

# Names under which answers tell when and how they were made, not what they are.
_VOLATILE = re.compile(
    r"time|latency|date|stamp|elapsed|duration|cost|uuid|thread|(^|_)id$|(^|_)ms$|seconds", re.IGNORECASE
)


@dataclass(frozen=True)
class Difference:
    """One place where answers differ.

    Attributes:
        pointer: RFC 6901 JSON pointer into the answer.
        was, now: the two values, shortened for messages.
        is_structural: not only a value is another, but a type, a length or a key.
    """

    pointer: str
    was: str
    now: str
    is_structural: bool

    def __str__(self) -> str:
        return f"{self.pointer or '(whole)'}: was {self.was}, is {self.now}"


def differences(
    was: object, now: object, relative: float = RELATIVE_TOLERANCE, absolute: float = ABSOLUTE_TOLERANCE
) -> list[Difference]:
    """Compare two answers in JSON types: text must be equal, numbers equal within the tolerance.

    Values under names such as ``latency_time`` are passed over.
    """
    return list(_differences(was, now, "", relative, absolute))


def _differences(was: Any, now: Any, pointer: str, relative: float, absolute: float) -> Iterator[Difference]:
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            place = child_pointer(pointer, key)
            if _VOLATILE.search(key):
                continue
            if key not in was or key not in now:
                yield Difference(place, _shown(was.get(key), key in was), _shown(now.get(key), key in now), True)
            else:
                yield from _differences(was[key], now[key], place, relative, absolute)
    elif isinstance(was, list) and isinstance(now, list):
        if len(was) != len(now):
            yield Difference(pointer, f"an array of {len(was)}", f"an array of {len(now)}", True)
            return
        for index, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _differences(one, other, f"{pointer}/{index}", relative, absolute)
    elif _is_number(was) and _is_number(now):
        both_nan = math.isnan(was) and math.isnan(now)
        if not both_nan and not math.isclose(was, now, rel_tol=relative, abs_tol=absolute):
            yield Difference(pointer, _shown(was), _shown(now), False)
    elif type(was) is not type(now) or was != now:
        yield Difference(pointer, _shown(was), _shown(now), type(was) is not type(now))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object, is_there: bool = True) -> str:
    text = repr(value) if is_there else "nothing"
    return text if len(text) <= 80 else text[:77] + "..."
