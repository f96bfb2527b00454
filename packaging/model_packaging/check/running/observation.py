"""What was seen of one request: plain data, as the child process reports it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

PHASES = ("_preprocess", "_inference", "_postprocess")

SampleArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class TensorSummary:
    """What an array, or a nested list, was like.

    Attributes:
        dtype: NumPy's name of its element type.
        shape: its shape.
        is_array: it was an array or a NumPy scalar, not Python's lists and numbers.
        minimum, maximum: of its finite values; 0 if there are none, or if they are no numbers.
        is_finite: it holds neither NaN nor infinity.
        digest: of all its bytes.
        sample: float64 [n], its values in C order; n <= 4096, evenly spaced if it has more.
    """

    dtype: str
    shape: tuple[int, ...]
    is_array: bool
    minimum: float
    maximum: float
    is_finite: bool
    digest: str
    sample: SampleArray

    @property
    def size(self) -> int:
        """How many elements it has."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def text(self) -> str:
        """For messages: ``float32 [1, 784]``."""
        return f"{self.dtype} {list(self.shape)}"


@dataclass(frozen=True)
class Failure:
    """An exception.

    Attributes:
        phase: the hook it came from; "": none.
        kind: the name of its class.
        message: its text.
        file, line: the last place in the package that it passed through, relative to ``model/``; "" and 0: none.
        key: what a KeyError did not find, if that is a text.
        is_deliberate: the package raised BadRequest, or the contract or Pillow refused the input: the caller's fault.
    """

    phase: str
    kind: str
    message: str
    file: str
    line: int
    key: str
    is_deliberate: bool

    @property
    def text(self) -> str:
        """For messages: ``KeyError: 'images' in _preprocess``."""
        place = f" in {self.phase}" if self.phase else ""
        return f"{self.kind}: {self.message}{place}"


@dataclass(frozen=True)
class Observation:
    """One request and what became of it.

    Attributes:
        status: the HTTP status a caller gets.
        answer: the body in JSON types, if the status is 200.
        has_nan: the answer holds NaN or infinity.
        violations: (pointer, expected, got) where the request or the answer breaks the contract.
        tensors: what each hook returned: hook -> name -> summary; "" is the name of what is no dict.
        keys: the names of all that a hook returned in a dict.
        scaled: the model's outputs for its inputs divided by 255, if that was asked for.
        seconds: by hook.
        peak_bytes: the most resident memory of the process until then.
        folder_problem: the working directory has changed to this; "": it has not.
    """

    status: int
    answer: Any = None
    has_nan: bool = False
    violations: tuple[tuple[str, str, str], ...] = ()
    failure: Failure | None = None
    tensors: Mapping[str, Mapping[str, TensorSummary]] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scaled: Mapping[str, TensorSummary] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    folder_problem: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether the caller gets an answer."""
        return self.status == 200


def parse_observation(content: Mapping[str, Any]) -> Observation:
    """Take an observation out of what the child process sent.

    Raises:
        KeyError, TypeError, ValueError: it sent something else.
    """
    failure = content["failure"]
    return Observation(
        status=int(content["status"]),
        answer=content["answer"],
        has_nan=bool(content["has_nan"]),
        violations=tuple((str(at), str(wanted), str(got)) for at, wanted, got in content["violations"]),
        failure=None if failure is None else _parse_failure(failure),
        tensors={str(hook): _parse_tensors(values) for hook, values in content["tensors"].items()},
        keys={str(hook): tuple(map(str, names)) for hook, names in content["keys"].items()},
        scaled=_parse_tensors(content["scaled"]),
        seconds={str(hook): float(value) for hook, value in content["seconds"].items()},
        peak_bytes=int(content["peak_bytes"]),
        folder_problem=str(content["folder_problem"]),
    )


def _parse_failure(content: Mapping[str, Any]) -> Failure:
    return Failure(
        str(content["phase"]),
        str(content["kind"]),
        str(content["message"]),
        str(content["file"]),
        int(content["line"]),
        str(content["key"]),
        bool(content["is_deliberate"]),
    )


def _parse_tensors(content: Mapping[str, Any]) -> dict[str, TensorSummary]:
    return {
        str(name): TensorSummary(
            dtype=str(each["dtype"]),
            shape=tuple(map(int, each["shape"])),
            is_array=bool(each["is_array"]),
            minimum=float(each["minimum"]),
            maximum=float(each["maximum"]),
            is_finite=bool(each["is_finite"]),
            digest=str(each["digest"]),
            sample=np.frombuffer(base64.b64decode(each["sample"]), dtype=np.float64),
        )
        for name, each in content.items()
    }
