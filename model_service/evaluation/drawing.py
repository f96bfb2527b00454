"""What both pictures of an evaluation are drawn with."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72
# A column of text (see class_names.width) is about this much of the font size wide.
COLUMN_WIDTH = 0.6
_DOTS_PER_INCH = 120
# matplotlib's own font has no Chinese, Japanese and Korean; of these the installed ones are asked in turn.
_EAST_ASIAN_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Droid Sans Fallback",
)


@contextmanager
def plain_text() -> Iterator[None]:
    """Draw names as they are: dollars make no formulas, and a character without a font makes no warning."""
    import matplotlib
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    families = ["DejaVu Sans", *(family for family in _EAST_ASIAN_FONTS if family in installed)]
    with matplotlib.rc_context({"text.parse_math": False, "font.family": families}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph ", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        yield


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty figure that no display and no other thread knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width_inches, height_inches), dpi=_DOTS_PER_INCH)
    FigureCanvasAgg(figure)
    return figure


def png_bytes(figure: Figure) -> bytes:
    """Return the figure as a PNG file."""
    content = io.BytesIO()
    with plain_text():
        figure.savefig(content, format="png", bbox_inches="tight", pad_inches=0.15)
    return content.getvalue()
