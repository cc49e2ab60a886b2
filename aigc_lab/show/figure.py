"""What all drawings share: a figure with a text alternative, safe colours, fonts that exist.

Introduced in notebook 00.
"""

from __future__ import annotations

import base64
import io
import textwrap
import unicodedata
from functools import lru_cache
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Okabe and Ito 2008, "Color Universal Design": told apart with every common colour vision.
OKABE_ITO = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "black": "#000000",
}
# The order for series: yellow is left out, since a yellow line on white cannot be read.
SERIES = tuple(colour for name, colour in OKABE_ITO.items() if name not in ("yellow", "black"))
MARKERS = ("o", "s", "^", "D", "v", "P")

# Sizes in points for a figure about 10 inches wide: readable on a projector from the last row.
TITLE, LABEL, SMALL = 16, 14, 12
_COLOURS_OF_A_CHART = 8_192  # more than that are photographs

_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "PingFang SC",
    "Microsoft YaHei",
    "Hiragino Sans GB",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Noto Sans CJK JP",  # files with several faces are often listed under their first one
    "Noto Sans CJK TC",
    "Noto Sans CJK KR",
    "Heiti TC",
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
    "SimSun",
    "Arial Unicode MS",
)


class AltFigure(Figure):
    """A Matplotlib figure that knows in words what it shows (``alt``).

    In a notebook its output carries those words as the text next to the picture, in place
    of ``<Figure size ...>``, so that the stored text does not change with the version.
    """

    alt: str = ""

    def png(self, dpi: float | None = None) -> bytes:
        """The figure as the bytes of a PNG file, on a white ground."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=dpi or self.dpi)
        return _smaller(buffer)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        content = base64.b64encode(self.png()).decode("ascii")
        # Closed, so that the inline backend does not show the same figure again after the cell.
        plt.close(self)
        # The figure's ground is white: a dark notebook theme must not put black behind it.
        return {"image/png": content, "text/plain": self.alt}, {"image/png": {"needs_background": "light"}}


def _smaller(png: io.BytesIO) -> bytes:
    """The same picture in half the bytes or less: a notebook stores every figure.

    Grey pictures stay exactly as they are, and so does what has 256 colours at most. Charts have a few
    thousand from the smoothing of their lines, and no eye misses these; photographs keep theirs.
    """
    from PIL import Image

    with Image.open(png) as picture:
        if picture.getextrema()[-1] != (255, 255):  # not opaque: left as it is
            return png.getvalue()
        picture = picture.convert("RGB")
    red, green, blue = picture.split()
    if red.tobytes() == green.tobytes() == blue.tobytes():
        picture = red
    elif picture.getcolors(_COLOURS_OF_A_CHART):
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def new_figure(width: float, height: float, alt: str, layout: str | None = None) -> AltFigure:
    """An empty white figure of that many inches."""
    figure = plt.figure(
        figsize=(width, height), dpi=100, layout=layout, facecolor="white", FigureClass=AltFigure
    )
    figure.alt = " ".join(alt.split())
    return figure


def blank_axes(figure: Figure) -> Any:
    """One axes over the whole figure, in inches from the top left corner, without ticks."""
    width, height = figure.get_size_inches()
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return axes


def alt(figure: Any) -> str:
    """What a figure of this room shows, in words: for ``mystnb.image.alt`` or a page's ``alt``.

    Raises:
        ValueError: a figure that was not made by this room.
    """
    words = getattr(figure, "alt", "")
    if not words:
        raise ValueError("this figure has no text alternative: alt() is for figures made by aigc_lab.show")
    return words


@lru_cache(maxsize=8)
def chinese_font(characters: str = "收集清洗标注增强训练评估部署") -> str | None:
    """The name of an installed font that has all of these characters, or None."""
    files: dict[str, list[str]] = {}
    for entry in matplotlib.font_manager.fontManager.ttflist:
        files.setdefault(entry.name, []).append(entry.fname)
    for name in _CHINESE_FONTS:
        for path in files.get(name, ()):
            try:
                glyphs = matplotlib.font_manager.get_font(path).get_charmap()
            except (OSError, RuntimeError):
                continue  # listed, but removed or broken since
            if all(ord(character) in glyphs for character in characters):
                return name
    return None


def families() -> list[str]:
    """Font families for any text: Matplotlib's own first, then a Chinese one if there is one."""
    found = chinese_font()
    return ["DejaVu Sans"] + ([found] if found else [])


def text_width(text: str, size: float) -> float:
    """About how many inches a line of text takes at ``size`` points."""
    ems = sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.62 for letter in text)
    return ems * size / 72


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Lines of ``text`` that are at most about ``width`` inches wide at ``size`` points."""
    letters = max(3, int(width / (0.62 * size / 72)))
    lines = [line for part in str(text).split("\n") for line in (textwrap.wrap(part, letters) or [""])]
    return lines or [""]
