"""The requests of a check: what is sent, and what each is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, unique
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from model_packaging.check.running.bodies import Body, FormPart
from model_packaging.check.running.drawings import DIGITS
from model_packaging.check.running.pictures import (
    Picture,
    PictureSize,
    base_picture,
    varied_pictures,
    wanted_size,
)
from model_packaging.check.running.schema_values import CannotMake, Made, Schema, ValueMaker
from model_packaging.check.subject import Subject
from model_service.package.schema import FILE_MARKER

# What code that decodes pictures mentions somewhere.
_PICTURE_WORDS = ("PIL", "cv2", "imageio", "skimage", "imread", "decode_image", "decode_jpeg", "decode_png", "load_img")
_MAX_BORDERS = 60
_MAX_SOURCE_BYTES = 1 << 20


@unique
class Purpose(Enum):
    """What a request is for."""

    BASE = "base"
    SAMPLE = "sample"
    BORDER = "border"
    ABSENT = "absent"
    TWO = "two"
    DRAWING = "drawing"
    PICTURE = "picture"


@dataclass(frozen=True)
class PlannedRequest:
    """One request.

    Attributes:
        title: for messages, such as ``an RGB PNG of 28x28 as images``.
        invented: texts in it that the schema does not name.
        is_guess: the schema does not say what a request holds; a failure proves nothing.
        absent: the optional property that is left out.
    """

    title: str
    purpose: Purpose
    body: Body
    invented: frozenset[str] = frozenset()
    is_guess: bool = False
    absent: str = ""
    picture: Picture | None = field(default=None, compare=False)


@dataclass(frozen=True)
class RequestPlan:
    """All requests of a check.

    Attributes:
        base: those that show whether the package answers at all, one of which is repeated.
        others: the rest, which are sent if ``base`` is answered.
        drawings: different pictures of the base's kind.
        problem: why nothing, or not enough, can be sent; "": none.
    """

    base: tuple[PlannedRequest, ...]
    others: tuple[PlannedRequest, ...] = ()
    drawings: tuple[PlannedRequest, ...] = ()
    problem: str = ""


def plan_requests(subject: Subject, samples: tuple[PlannedRequest, ...] = ()) -> RequestPlan:
    """Make the requests of a check out of the declared request schema and the model's signature."""
    schema = _request_schema(subject)
    fields = file_fields(schema) if _may_be_form(schema) else []
    is_guess = schema is None and subject.signature is not None and takes_pictures(subject)
    if is_guess and subject.signature is not None:
        schema = {"type": "object"}
        fields = list(subject.signature.inputs)
    if schema is None:
        return RequestPlan(samples, problem="" if samples else "no request schema is declared")
    if fields:
        if not takes_pictures(subject):
            return RequestPlan(samples, problem="" if samples else f"the schema does not say what {fields[0]!r} holds")
        made_up = _form_plan(schema, fields, wanted_size(subject.signature), is_guess)
        return replace(made_up, base=(*samples, *made_up.base), problem="" if samples else made_up.problem)
    return _json_plan(schema, samples)


def _request_schema(subject: Subject) -> Schema | None:
    return subject.config.apis[0].request_schema if subject.config.apis else None


def file_fields(schema: Schema | None) -> list[str]:
    """The properties of a request schema that are files."""
    properties: Mapping[str, Any] = (schema or {}).get("properties", {})
    return [name for name, each in properties.items() if _is_file(each)]


def _may_be_form(schema: Schema | None) -> bool:
    """Whether a request may be an object, which is what a form is."""
    kind = (schema or {}).get("type", "object")
    return "object" in ([kind] if isinstance(kind, str) else kind)


def _is_file(schema: Mapping[str, Any]) -> bool:
    return schema.get("const") == FILE_MARKER or {"const": FILE_MARKER} in schema.get("anyOf", [])


def takes_pictures(subject: Subject) -> bool:
    """Whether the package decodes pictures, as far as its source tells; without a service of its own it does."""
    if subject.layout.service_path is None:
        return True
    for path in (subject.layout.service_path, *_sources(subject.layout.model_directory)):
        text = path.read_bytes()[:_MAX_SOURCE_BYTES].decode("utf-8", "replace")
        if any(word in text for word in _PICTURE_WORDS):
            return True
    return False


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.is_file())


def _form_plan(schema: Schema, fields: list[str], size: PictureSize, is_guess: bool) -> RequestPlan:
    maker = ValueMaker(schema)
    properties: Mapping[str, Any] = schema.get("properties", {})
    texts, invented = [], frozenset[str]()
    try:
        for name, each in properties.items():
            if name not in fields:
                made = maker.plain(each)
                texts.append(FormPart(name, _as_text(made.value).encode()))
                invented |= made.invented
    except CannotMake as error:
        return RequestPlan((), problem=f"the schema asks for {error}")

    def request(purpose: Purpose, *pictures: Picture, title: str = "", absent: str = "") -> PlannedRequest:
        parts = [FormPart(name, each.content, each.file_name) for name in fields for each in pictures if name != absent]
        parts += [part for part in texts if part.field != absent]
        named = title or f"{pictures[0].title} as {', '.join(fields)}"
        return PlannedRequest(named, purpose, Body(parts=tuple(parts)), invented, is_guess, absent, pictures[0])

    base = base_picture(size)
    second = base_picture(size, DIGITS[1])
    two = [
        Picture(each.title, each.kind, f"{number}-{each.file_name}", each.content, each.values)
        for number, each in enumerate((base, second), 1)
    ]
    optional = [name for name in properties if name not in schema.get("required", [])]
    others = [
        request(Purpose.ABSENT, base, title=f"the form without {name!r}", absent=name)
        for name in optional
        if len(fields) + len(texts) > 1 or name not in fields
    ]
    others.append(request(Purpose.TWO, *two, title=f"two pictures as {', '.join(fields)}"))
    others += [request(Purpose.PICTURE, picture) for picture in varied_pictures(size)]
    drawings = [request(Purpose.DRAWING, base_picture(size, digit), title=f"a drawing of {digit}") for digit in DIGITS]
    return RequestPlan((request(Purpose.BASE, base),), tuple(others), tuple(drawings))


def _as_text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _json_plan(schema: Schema, samples: tuple[PlannedRequest, ...]) -> RequestPlan:
    maker = ValueMaker(schema)
    is_valid = Draft7Validator(dict(schema)).is_valid
    try:
        made = maker.plain(schema)
    except CannotMake as error:
        return RequestPlan(samples, problem="" if samples else f"the schema asks for {error}")
    is_guess = made.is_guess or not made.value
    if not made.value:
        made = Made({"text": "text"}, frozenset({"text"})) if made.value == {} else made
    if not made.value or not is_valid(made.value):
        return RequestPlan(samples, problem="" if samples else "no value could be made that the schema allows")
    title = "a request with a value that was made up" if is_guess else "a request as its schema declares it"
    base = PlannedRequest(title, Purpose.BASE, Body(made.value), made.invented, is_guess)
    if samples:
        return RequestPlan(samples, tuple(_borders(maker, schema, is_valid, base)) if not made.invented else ())
    return RequestPlan((base,), tuple(_borders(maker, schema, is_valid, base)))


def _borders(maker: ValueMaker, schema: Schema, is_valid: Any, base: PlannedRequest) -> Iterator[PlannedRequest]:
    if base.is_guess:
        return
    count = 0
    try:
        for title, made in maker.borders(schema):
            if not made.value or made.value == base.body.value or not is_valid(made.value):
                continue
            absent = title.removeprefix("without /") if title.startswith("without /") else ""
            purpose = Purpose.ABSENT if absent else Purpose.BORDER
            named = f"the request {title}" if absent else f"a request with {title}"
            yield PlannedRequest(named, purpose, Body(made.value), made.invented, absent=absent)
            count += 1
            if count == _MAX_BORDERS:
                return
    except CannotMake:
        return
