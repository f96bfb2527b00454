"""What kind of service goes with a model, told from its signature."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from model_packaging.errors import BuildRefused
from model_service.tfs.signature import Signature, TensorSpec

ROWS_NAME = "instances"
DEFAULT_SIDE = 224  # pixels; for models that take pictures of any size
_PICTURE_NAME = re.compile(r"image|img|picture|photo|pixel|digit|frame", re.IGNORECASE)
_CHANNELS = (1, 3, 4)
_LEAST_SIDE = 8
_FLOATS = ("float32", "float64", "float16", "bfloat16")
# Types that JSON cannot say.
_UNSPEAKABLE = ("complex64", "complex128")


class NoStarter(BuildRefused):
    """No service can be written for the model."""


@dataclass(frozen=True)
class PictureInput:
    """The only input takes pictures.

    Attributes:
        spec: the input.
        height, width: pixels.
        channels: 1, 3 or 4.
        row_shape: shape of one picture in the tensor.
        most_pictures: how many fit into a request; 0: any number.
    """

    spec: TensorSpec
    height: int
    width: int
    channels: int
    row_shape: tuple[int, ...]
    most_pictures: int

    @property
    def is_float(self) -> bool:
        """Whether pixels are scaled to a range; integers are sent as they are."""
        return self.spec.dtype.name in _FLOATS


def find_picture_input(signature: Signature) -> PictureInput | None:
    """Return the picture that the model takes; None: it takes something else.

    A picture is an only input [N, height, width, channels] with 1, 3 or 4 channels; or [N, height, width], or a square
    as a row [N, height * width], under a name that speaks of pictures.
    """
    if len(signature.inputs) != 1:
        return None
    (spec,) = signature.inputs.values()
    if spec.shape is None or spec.dtype.name not in (*_FLOATS, "uint8") or spec.shape[:1] not in ((None,), (1,)):
        return None
    batch, *sizes = spec.shape
    most = 0 if batch is None else 1
    is_named_so = _PICTURE_NAME.search(spec.name) is not None
    if len(sizes) == 3 and sizes[2] in _CHANNELS and all(each is None or each >= _LEAST_SIDE for each in sizes[:2]):
        height, width = (each or DEFAULT_SIDE for each in sizes[:2])
        channels = sizes[2] or 1
        return PictureInput(spec, height, width, channels, (height, width, channels), most)
    if len(sizes) == 2 and is_named_so and all(each is None or each >= _LEAST_SIDE for each in sizes):
        height, width = (each or DEFAULT_SIDE for each in sizes)
        return PictureInput(spec, height, width, 1, (height, width), most)
    if len(sizes) == 1 and is_named_so and sizes[0] is not None:
        side = math.isqrt(sizes[0])
        if side >= _LEAST_SIDE and side * side == sizes[0]:
            return PictureInput(spec, side, side, 1, (sizes[0],), most)
    return None


def check_speakable(signature: Signature) -> None:
    """Refuse what no starter can handle.

    Raises:
        NoStarter: a tensor has a type that JSON cannot say, or there are no inputs.
    """
    if not signature.inputs:
        raise NoStarter(f"the signature {signature.name} has no inputs; write a customize_service.py for it")
    for spec in (*signature.inputs.values(), *signature.outputs.values()):
        if spec.dtype.name in _UNSPEAKABLE:
            raise NoStarter(f"JSON cannot say {spec}; write a customize_service.py that turns it into numbers")


def has_rows(signature: Signature) -> bool:
    """Whether the first dimension of every input is open, so that a request may have any number of rows."""
    return all(spec.shape is not None and spec.shape[:1] == (None,) for spec in signature.inputs.values())


def rows_property(signature: Signature) -> str:
    """Name the property of a request that holds its rows; "": each input is a property of its own.

    Several inputs whose first dimension is open come row by row: a schema can say that a row has all of them, but not
    that several arrays have the same length.
    """
    return ROWS_NAME if len(signature.inputs) > 1 and has_rows(signature) else ""


def find_scores(signature: Signature, label_count: int) -> TensorSpec:
    """Return the output [N, label_count] that holds a score for every label.

    Raises:
        BuildRefused: there is none, or more than one.
    """
    found = [
        spec
        for spec in signature.outputs.values()
        if spec.dtype.name in _FLOATS
        and spec.shape is not None
        and len(spec.shape) == 2
        and spec.shape[1] in (None, label_count)
    ]
    if len(found) == 1:
        return found[0]
    outputs = ", ".join(map(str, signature.outputs.values()))
    raise BuildRefused(
        f"{label_count} labels are given, but {len(found) or 'no'} outputs of the model are [N, {label_count}] "
        f"numbers; it has: {outputs}. Give one label for each class, or none."
    )
