"""From a request that was not answered to what is wrong with the package."""

from __future__ import annotations

import re
from difflib import get_close_matches

from model_packaging.check.catalogue import finding
from model_packaging.check.finding import Finding, Place
from model_packaging.check.running.observation import Failure, Observation
from model_packaging.check.running.process import ChildEnded
from model_packaging.check.running.requests import PlannedRequest, Purpose
from model_packaging.check.subject import Subject

# What code says of a text that it cannot use; an invented text proves nothing then.
_ABOUT_VALUES = frozenset(
    [
        "ValueError",
        "KeyError",
        "IndexError",
        "Error",  # binascii's
        "JSONDecodeError",
        "UnicodeDecodeError",
        "UnidentifiedImageError",
        "FileNotFoundError",
        "OSError",
    ]
)
_DATA_POINTER = "/apis/0/request/data"
_REQUIRED_POINTER = f"{_DATA_POINTER}/required"
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_SHOWN_LINES = 6
_CODES = {"died": "process-ends", "time": "too-slow", "memory": "too-much-memory"}


def judge_failure(request: PlannedRequest, observation: Observation, subject: Subject) -> Finding | None:
    """Say what a request that got no answer tells; None: nothing that is certain."""
    failure = observation.failure
    if failure is None or observation.is_answered:
        return None
    place = place_of(failure)
    if failure.kind == "NotJson":
        return finding("answer-not-json", Place("customize_service.py"), f"{request.title}: {failure.message}")
    if failure.kind == "ResponseContractBroken":
        return _contract_broken(request, observation)
    if observation.violations and request.purpose is not Purpose.SAMPLE:  # what was made up is at fault
        pointer, expected, got = observation.violations[0]
        message = f"no request could be made that the schema allows: at {pointer or '(whole)'} {expected}, not {got}"
        is_first = request.purpose is Purpose.BASE
        return finding("needs-sample", Place("config.json", pointer=_DATA_POINTER), message) if is_first else None
    if request.absent:
        return finding(
            "optional-but-needed",
            Place("config.json", pointer=_REQUIRED_POINTER),
            f"{request.absent!r} is optional, but {request.title} is answered {observation.status}: {failure.text}"
            + (f" ({place})" if failure.file else ""),
        )
    if _proves_nothing(request, failure):
        made_up = f" (made up: {', '.join(sorted(map(repr, request.invented)))})" if request.invented else ""
        message = f"{request.title} is answered {observation.status}: {failure.text}{made_up}"
        return finding("needs-sample", place, message)
    of_the_model = _of_the_model(request, observation, failure, subject)
    if request.purpose is Purpose.BORDER and of_the_model is not None:
        return finding("border-not-answered", of_the_model.place, of_the_model.message)
    code = "border-not-answered" if request.purpose is Purpose.BORDER else "request-not-answered"
    return of_the_model or finding(code, place, f"{request.title} is answered {observation.status}: {failure.text}")


def judge_end(title: str, ended: ChildEnded, subject: Subject) -> Finding:
    """Say what the end of the child process tells; ``title`` is what it was doing."""
    lines = ended.output.splitlines()[-_SHOWN_LINES:]
    printed = "; it printed last: " + " | ".join(line.strip() for line in lines) if lines else ""
    shown = printed if ended.reason == "died" else ""
    return finding(_CODES[ended.reason], _last_place(ended.output, subject), f"{title}: the process {ended.how}{shown}")


def place_of(failure: Failure) -> Place:
    """Where an exception came from: the line, or else the file that has the hooks."""
    return Place(failure.file, failure.line) if failure.file else Place("customize_service.py")


def _last_place(output: str, subject: Subject) -> Place:
    """The innermost frame of the package in what faulthandler has printed; it lists the innermost first."""
    folder = str(subject.layout.model_directory)
    for path, line in _FRAME.findall(output):
        for root in ("/model/1/", f"{folder}/"):
            if root in path:
                return Place(path.partition(root)[2], int(line))
    return Place("customize_service.py" if subject.layout.service_path else "")


def _proves_nothing(request: PlannedRequest, failure: Failure) -> bool:
    if request.purpose is Purpose.SAMPLE:
        return False
    if request.is_guess:
        return True
    if not request.invented:
        return False
    if failure.kind == "KeyError":
        return failure.key in request.invented
    return failure.is_deliberate or failure.kind in _ABOUT_VALUES


def _contract_broken(request: PlannedRequest, observation: Observation) -> Finding:
    pointer, expected, got = observation.violations[0]
    more = f" (and {len(observation.violations) - 1} more places)" if len(observation.violations) > 1 else ""
    if request.is_guess:
        code = "needs-sample"
    else:
        code = "border-not-answered" if request.purpose is Purpose.BORDER else "strict-answer-refused"
    return finding(
        code,
        Place("answer", pointer=pointer),
        f"{request.title}: expected {expected}, got {got}{more}",
    )


def _of_the_model(
    request: PlannedRequest, observation: Observation, failure: Failure, subject: Subject
) -> Finding | None:
    """What is said of a tensor rather than of a line."""
    if subject.signature is None:
        return None
    if failure.kind == "KeyError" and failure.phase == "_postprocess":
        outputs = observation.keys.get("_inference", ())
        if outputs == tuple(subject.signature.outputs) and failure.key and failure.key not in outputs:
            message = (
                f"reads the output {failure.key!r}; the model has {_names(outputs)}{_nearest(failure.key, outputs)}"
            )
            return finding("wrong-output-name", place_of(failure), message)
    sent = observation.keys.get("_preprocess", ())
    wanted = subject.signature.inputs
    if failure.phase != "_inference" or not sent:
        return None
    if failure.kind == "InputRefused":
        if set(sent) != set(wanted):
            odd = next((name for name in sent if name not in wanted), "")
            message = f"_preprocess returns {_names(sent)}; the model wants {_names(wanted)}{_nearest(odd, wanted)}"
            return finding("wrong-tensor-name", Place("customize_service.py"), message)
        return finding("wrong-element-type", Place("customize_service.py"), f"{request.title}: {failure.message}")
    for name, spec in wanted.items():
        tensor = observation.tensors.get("_preprocess", {}).get(name)
        if tensor is not None and spec.shape is not None and not _fits(tensor.shape, spec.shape):
            message = f"{request.title}: _preprocess makes {name!r} {tensor.text}; the model wants {spec}"
            return finding("wrong-shape", Place("customize_service.py"), message)
    return None


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(size in (None, given) for given, size in zip(shape, wanted, strict=True))


def _names(names: object) -> str:
    return ", ".join(map(repr, names)) if isinstance(names, dict | tuple) and names else "nothing"


def _nearest(name: str, known: object) -> str:
    near = get_close_matches(name, list(known), 1) if isinstance(known, dict | tuple) else []
    return f" (did you mean {near[0]!r}?)" if near else ""
