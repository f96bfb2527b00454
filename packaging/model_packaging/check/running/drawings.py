"""Drawings that stand for what callers send: digits of straight strokes, white on black, scaled into any size."""

from __future__ import annotations

from PIL import Image, ImageDraw

# The seven strokes of a digit: between which corners of a field of 2 x 4 they run.
_STROKES = {
    "top": ((0, 0), (2, 0)),
    "top left": ((0, 0), (0, 2)),
    "top right": ((2, 0), (2, 2)),
    "middle": ((0, 2), (2, 2)),
    "bottom left": ((0, 2), (0, 4)),
    "bottom right": ((2, 2), (2, 4)),
    "bottom": ((0, 4), (2, 4)),
}
_DIGITS = {
    "2": ("top", "top right", "middle", "bottom left", "bottom"),
    "7": ("top", "top right", "bottom right"),
    "4": ("top left", "top right", "middle", "bottom right"),
    "0": ("top", "top left", "top right", "bottom left", "bottom right", "bottom"),
    "1": ("top right", "bottom right"),
    "5": ("top", "top left", "middle", "bottom right", "bottom"),
    "3": ("top", "top right", "middle", "bottom right", "bottom"),
    "6": ("top left", "middle", "bottom left", "bottom right", "bottom"),
}
DIGITS = tuple(_DIGITS)
# Lies about its middle as upright as on its head, so that to centre it by size or by mass is the same.
BASE_DIGIT = "2"
_FINE = 560  # pixels of a side at which strokes are drawn
_MARGIN = 80
_STROKE_PIXELS = 60


def draw_digit(digit: str, width: int, height: int) -> Image.Image:
    """Draw one of :data:`DIGITS` as a grey picture (mode L) whose strokes fill five sevenths of its height."""
    fine = Image.new("L", (_FINE, _FINE), 0)
    pen = ImageDraw.Draw(fine)
    step = (_FINE - 2 * _MARGIN - _STROKE_PIXELS) / 4
    half = _STROKE_PIXELS / 2
    for name in _DIGITS[digit]:
        (x0, y0), (x1, y1) = _STROKES[name]
        left, right = _FINE / 2 + (x0 - 1) * step, _FINE / 2 + (x1 - 1) * step
        top, bottom = _MARGIN + half + y0 * step, _MARGIN + half + y1 * step
        pen.rectangle((left - half, top - half, right + half - 1, bottom + half - 1), fill=255)
    return fine.resize((width, height), Image.Resampling.BOX)
