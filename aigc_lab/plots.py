"""Figures that notebooks share: images in rows, training curves, scores with their floor, the pipeline.

Each function returns a Matplotlib figure that knows in words what it shows (``figure.alt``): end the cell
with ``plt.show()``. Colours are distinguishable with every common kind of colour vision; letters are
readable on a projector. Nothing here changes Matplotlib's settings. Introduced in notebook 00.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import os
import re
import textwrap
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text
from PIL import Image

from aigc_lab import STAGES, language
from aigc_lab.collect.dataset import Dataset

# Okabe and Ito 2008, "Color Universal Design": distinguishable with every common kind of colour vision.
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
TITLE, LABEL, SMALL = 16, 14, 12  # points, for a figure about 10 inches wide
_PAGE_WIDTH, _LARGEST_CELL, _GAP = 10.0, 2.2, 0.08  # inches
_COLOURS_OF_A_CHART = 8_192  # more than that are photographs
_CHINESE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC",
    "Microsoft YaHei", "Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei",
    # Files with several faces are often listed under their first one.
    "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans CJK KR", "Heiti TC", "Noto Serif CJK SC",
    "Noto Serif CJK JP", "SimSun", "Arial Unicode MS",
)  # fmt: skip


class AltFigure(Figure):
    """A Matplotlib figure that knows in words what it shows (``alt``).

    In a notebook its output carries those words as the text next to the image, in place of
    ``<Figure size ...>``, so that the stored text does not change with the version.
    """

    alt: str = ""

    def png(self) -> bytes:
        """The figure as the bytes of a PNG file, on a white ground, in as few bytes as no eye misses.

        A notebook stores every figure. What has 256 colours at most stays exactly as it is; charts have a
        few thousand from the smoothing of their lines and are reduced to 256; photographs keep theirs.
        Its words are those of the edition (``aigc_lab.language``).
        """
        translate(self, language.current())
        self._keep(self._drawn)
        return self._drawn()

    def words(self) -> list[str]:
        """The texts in the figure that have words, as they were last drawn."""
        shown = [text.get_text() for text in self.findobj(Text) if text.get_visible()]
        return list(dict.fromkeys(text for text in shown if language.has_words(text)))

    def _keep(self, draw: Callable[[], bytes]) -> None:
        """While a notebook is run to be stored: keep the figure's words, and how it looks in Chinese."""
        folder, chinese = os.environ.get(language.KEEP_FIGURES), None
        if not folder or language.current() != "en":
            return
        english, words = draw(), self.words()  # the words are there once they are drawn
        if words:
            back, chinese = translate(self, "zh"), (draw(), draw())[1]
            back()
        looks = [english, draw()]
        while looks[-1] != looks[-2] and len(looks) < 10:  # until the layout has settled
            looks.append(draw())
        for each in set(looks):  # Jupyter draws the last, or one of some looks that take turns
            place = Path(folder) / hashlib.sha256(each).hexdigest()
            place.with_suffix(".json").write_text(json.dumps(words), encoding="utf-8")
            if chinese:
                place.with_suffix(".png").write_bytes(chinese)

    def _drawn(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        with Image.open(buffer) as image:
            if image.getextrema()[-1] != (255, 255):  # not opaque: left as it is
                return buffer.getvalue()
            image = image.convert("RGB")
        red, green, blue = image.split()
        if red.tobytes() == green.tobytes() == blue.tobytes():
            image = red
        elif image.getcolors(_COLOURS_OF_A_CHART):
            image = image.quantize(256, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        from IPython.core.pylabtools import print_figure

        self._keep(partial(print_figure, self, fmt="png", bbox_inches="tight"))  # as Jupyter itself does
        content = base64.b64encode(self.png()).decode("ascii")
        # Closed, so that the inline backend does not show the same figure again after the cell.
        plt.close(self)
        # The figure's ground is white: a dark notebook theme must not put black behind it.
        words = language.translated(self.alt)
        return {"image/png": content, "text/plain": words}, {"image/png": {"needs_background": "light"}}


def translate(figure: Figure, chosen: str) -> Callable[[], None]:
    """Write the texts of a figure in the language of an edition; what is returned puts them back.

    Where no font has Chinese characters, a warning names one to install, and the texts stay English.
    """
    if chosen != "en" and chinese_font() is None:
        warnings.warn(
            "No font with Chinese characters was found, so figures stay English: install "
            f"{_CHINESE_FONTS[0]} (on Debian and Ubuntu: apt install fonts-noto-cjk).",
            stacklevel=3,
        )
        chosen = "en"
    # English, the usual case, asks for no font.
    return (lambda: None) if chosen == "en" else language.figure(figure, chosen, families())


def new_figure(width: float, height: float, alt: str, layout: str | None = None) -> AltFigure:
    """An empty white figure of that many inches; ``alt`` says what it is going to show."""
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


def tidy(axes: Any) -> None:
    """Light grid, no frame above and at the right, ticks that can be read."""
    axes.tick_params(labelsize=SMALL)
    axes.grid(True, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


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


def wrapped(text: Any, width: float, size: float) -> list[str]:
    """Lines of ``text`` that are at most about ``width`` inches wide at ``size`` points."""
    letters = max(3, int(width / (0.62 * size / 72)))
    return [line for part in str(text).split("\n") for line in (textwrap.wrap(part, letters) or [""])]


def as_images(images: Any) -> list[np.ndarray]:
    """Images as a list of ``uint8`` arrays, ``(height, width)`` or ``(height, width, 3)``.

    Args:
        images: an image ``Dataset``; an array ``(n, height, width)`` or ``(n, height, width, channels)``
            with 1 or 3 channels; one grey image ``(height, width)``; or a list of single images, which
            may differ in size. Values are uint8, bool, or float in [0, 1].

    Raises:
        ValueError: no images, a shape or type that is none of these, NaN, or floats outside [0, 1].
    """
    if isinstance(images, Dataset):
        if images.modality != "images":
            raise ValueError(f"only images can be drawn; this data set holds {images.modality}")
        images = images.data
    if not isinstance(images, (list, tuple)):
        images = np.asarray(images)
        images = images[None] if images.ndim == 2 else images
        if images.ndim not in (3, 4):
            raise ValueError(
                "images must have shape (n, height, width) or (n, height, width, channels), "
                f"got {images.shape}"
            )
        # Grey images that narrow are hardly meant, and drawing 28 of them would only puzzle.
        if images.ndim == 3 and images.shape[2] in (1, 3, 4) and images.shape[1] >= 8:
            raise ValueError(
                f"shape {images.shape} looks like one image with its channels; give image[None] or [image]"
            )
    if not len(images):
        raise ValueError("there are no images to draw; give at least one")
    return [_as_uint8(np.asarray(image)) for image in images]


def _as_uint8(image: np.ndarray) -> np.ndarray:
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if not image.size or not (image.ndim == 2 or (image.ndim == 3 and image.shape[-1] == 3)):
        raise ValueError(f"an image must be (height, width) with 1 or 3 channels, got shape {image.shape}")
    if image.dtype == np.uint8:
        return image
    if image.dtype == bool:
        return image.astype(np.uint8) * 255
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"images must be uint8, bool, or float in [0, 1], got {image.dtype}")
    if not np.isfinite(image).all():
        raise ValueError("images hold NaN or infinite values; drop or repair them before drawing")
    if image.min() < -1e-5 or image.max() > 1 + 1e-5:
        raise ValueError(
            f"float images must lie in [0, 1], these go from {image.min():.3g} to {image.max():.3g}; "
            "rescale them"
        )
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def grid(
    images: Any,
    titles: Sequence[Any] | None = None,
    columns: int = 8,
    row_labels: Sequence[Any] | None = None,
    title: str | None = None,
    column_titles: Sequence[Any] | None = None,
) -> AltFigure:
    """Draw images in rows, pixel by pixel (nothing is smoothed).

    Args:
        images: see ``as_images``; a labelled ``Dataset`` brings its class names as titles.
        titles: a text above each image. ``[]`` turns a data set's own titles off.
        columns: images a row.
        row_labels, column_titles, title: texts left of each row, above each column, above everything.

    Raises:
        ValueError: images that cannot be drawn, or texts of another number than what they name.
    """
    if titles is None and isinstance(images, Dataset) and images.labels is not None:
        titles = [images.class_names[label] for label in images.labels]
    shown = as_images(images)
    columns = min(_checked_columns(columns), len(shown))
    rows = _in_rows(shown, columns)
    for what, texts, count in (
        ("titles", titles, len(shown)),
        ("row labels", row_labels, len(rows)),
        ("column titles", column_titles, columns),
    ):
        if texts is not None and len(texts) not in (0, count):
            raise ValueError(f"{count} {what} are needed, got {len(texts)}")
    titles = [str(text) for text in titles or ()]
    words = f"{len(shown)} images in {len(rows)} rows of {columns}."
    words += f" Rows: {', '.join(map(str, row_labels))}." if row_labels else ""
    words += f" Titles: {', '.join(titles[:columns])}{' ...' * (len(titles) > columns)}." if titles else ""
    bands = _in_rows(titles, columns) if titles else None
    return draw_rows(rows, bands, row_labels, title, column_titles, words)


def compare(groups: Mapping[str, Any], columns: int = 8) -> AltFigure:
    """One row of images for each group, under each other: the first ``columns`` of each.

    Args:
        groups: name to images (see ``as_images``), such as ``{"dirty": ..., "clean": ...}``. A group with
            fewer images leaves the rest of its row empty.
        columns: images a row at most.

    Raises:
        ValueError: no groups, or images that cannot be drawn.
    """
    if not groups:
        raise ValueError(
            'there is nothing to compare; give groups such as {"dirty": images, "clean": images}'
        )
    rows = [as_images(images)[: _checked_columns(columns)] for images in groups.values()]
    words = f"{len(rows)} rows of up to {max(map(len, rows))} images: {', '.join(map(str, groups))}."
    return draw_rows(rows, None, list(groups), None, None, words)


def _checked_columns(columns: int) -> int:
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    return columns


def _in_rows(items: Sequence[Any], columns: int) -> list[Sequence[Any]]:
    return [items[start : start + columns] for start in range(0, len(items), columns)]


def draw_rows(
    rows: Sequence[Sequence[np.ndarray | None]],
    titles: Sequence[Sequence[str]] | None,
    row_labels: Sequence[Any] | None,
    title: str | None,
    column_titles: Sequence[Any] | None,
    alt: str,
) -> AltFigure:
    """Draw rows of ready ``uint8`` images (None leaves a gap), laid out in inches from the top left."""
    columns = max(map(len, rows))
    labels = [wrapped(text, 1.9, LABEL) for text in row_labels or []]
    gutter = max((text_width(line, LABEL) + 0.2 for lines in labels for line in lines), default=0.0) + _GAP
    cell = min(_LARGEST_CELL, (_PAGE_WIDTH - gutter) / columns - _GAP)
    # Wide letters on a dense grid would overlap their neighbours: wrap, and shrink to 10 points at least.
    size = SMALL if cell > 0.95 else 10
    line = 1.25 * size / 72
    bands = [[wrapped(text, cell + _GAP, size) for text in texts] for texts in titles or [[]] * len(rows)]
    heights = [max(map(len, band), default=0) * line + cell + _GAP for band in bands]
    width = gutter + columns * (cell + _GAP)
    heading = wrapped(title, width - 0.2, TITLE) if title else []
    heads = [wrapped(text, cell + _GAP, size) for text in column_titles or []]
    top = _GAP + len(heading) * 1.4 * TITLE / 72 + max(map(len, heads), default=0) * line
    figure = new_figure(width, top + sum(heights), alt)
    axes = blank_axes(figure)

    def write(x: float, y: float, lines: Sequence[str], size: float, **look: Any) -> None:
        axes.text(x, y, "\n".join(lines), size=size, color="black", family=families(), **look)

    if heading:
        write(width / 2, _GAP, heading, TITLE, weight="bold", ha="center", va="top")
    lefts = [gutter + column * (cell + _GAP) for column in range(columns)]
    for left, head in zip(lefts, heads, strict=False):
        write(left + cell / 2, top - 0.03, head, size, weight="bold", ha="center", va="bottom")
    for number, images in enumerate(rows):
        bottom = top + heights[number] - _GAP
        if labels:
            place = gutter - _GAP, bottom - cell / 2
            write(*place, labels[number], LABEL, weight="bold", ha="right", va="center")
        for left, image in zip(lefts, images, strict=False):
            if image is not None:
                _place(axes, image, left, bottom - cell, cell)
        for left, lines in zip(lefts, bands[number], strict=False):
            write(left + cell / 2, bottom - cell - 0.03, lines, size, ha="center", va="bottom")
        top += heights[number]
    return figure


def _place(axes: Any, image: np.ndarray, left: float, top: float, cell: float) -> None:
    """Draw one image centred in its square, keeping its proportions, with a thin frame."""
    height, width = image.shape[:2]
    scale = cell / max(height, width)
    step = max(1, max(height, width) // 512)  # a photo of 4,000 pixels is not kept at full size in a notebook
    left += (cell - width * scale) / 2
    top += (cell - height * scale) / 2
    axes.imshow(
        image[::step, ::step],
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=(left, left + width * scale, top + height * scale, top),
        interpolation="nearest",
        aspect="auto",
    )
    # A white image on a white page would have no border.
    frame = {"fill": False, "edgecolor": "#888888", "linewidth": 0.8}
    axes.add_patch(Rectangle((left, top), width * scale, height * scale, **frame))


def curves(
    histories: Any,
    metrics: Sequence[str] | None = None,
    unit: str = "nats per image",
) -> AltFigure:
    """Training curves: a panel for each metric, a colour and marker for each run, dashes for validation.

    Args:
        histories: what ``train.fit`` returned, its ``.table``, a Keras ``History`` or its dict of
            lists; or a mapping from a run's name to any of these.
        metrics: columns to draw; by default each one (``validation_x`` belongs to ``x``).
        unit: unit of the vertical axes, in words; ``""`` for none.

    Raises:
        ValueError: something that is no history, no epochs, or a metric that was not recorded.
    """
    runs = {name: _columns(history) for name, history in _named(histories).items()}
    beside = ("epoch", "step", "seconds", "learning_rate")
    found = list(dict.fromkeys(name for table in runs.values() for name in table if name not in beside))
    found = [name for name in found if not name.startswith("validation_")]
    if not found:
        raise ValueError("the history has no numbers to draw; train for at least one epoch first")
    for name in metrics or ():
        if name not in found:
            raise ValueError(f"the history has no metric {name!r}; it has {', '.join(found)}")
    metrics = list(metrics or found)
    # Steps, where they are known: sets of different size reach one epoch after different work.
    axis = "step" if all("step" in table for table in runs.values()) else "epoch"
    columns = min(3, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    figure = new_figure(max(6.0, 4.0 * columns), 3.8 * rows + 0.6, "", layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    lines, ends = {}, []
    for metric, axes in zip(metrics, panels, strict=False):
        for number, (run, table) in enumerate(runs.items()):
            colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
            for column, part in ((metric, "training"), (f"validation_{metric}", "validation")):
                if column not in table or np.isnan(table[column]).all():
                    continue
                label = f"{run}, {part}" if len(runs) > 1 else part
                place = table.get(axis, np.arange(1, len(table[column]) + 1))
                look = {"linestyle": "--", "markerfacecolor": "white"} if part == "validation" else {}
                (lines[label],) = axes.plot(
                    place, table[column], color=colour, marker=marker, label=label, linewidth=2.2,
                    markersize=7, markevery=max(1, len(place) // 10), **look,
                )  # fmt: skip
                if metric == metrics[0]:
                    ends.append(f"{run} {part} {table[column][-1]:.1f}".strip())
        name = {"kl": "KL divergence", "loss": "loss (negative ELBO)"}.get(metric, metric.replace("_", " "))
        axes.set_title(name, fontsize=LABEL, weight="bold")
        axes.set_xlabel(axis, fontsize=LABEL)
        axes.set_ylabel(unit or name, fontsize=LABEL)
        axes.xaxis.get_major_locator().set_params(integer=True)
        tidy(axes)
    for axes in panels[len(metrics) :]:
        axes.remove()
    of = "" if len(runs) == 1 else f" for {', '.join(map(str, runs))}"
    figure.alt = (
        f"Training curves of {', '.join(metrics)} against the {axis}{of}. "
        f"{metrics[0]} at the end: {', '.join(ends)}."
    )
    # Filled column by column: with several runs, each run is a column with its validation below its training.
    widest = max(text_width(label, SMALL) for label in lines) + 0.9
    figure.legend(
        lines.values(),
        lines.keys(),
        loc="outside lower center",
        ncols=min(max(1, int(figure.get_figwidth() / widest)), len(runs) if len(runs) > 1 else len(lines)),
        frameon=False,
        handlelength=3,
        prop={"family": families(), "size": SMALL},
    )
    return figure


def _named(histories: Any) -> dict[str, Any]:
    """Runs by name; a single history becomes a run without one."""
    if isinstance(histories, Mapping):
        if not histories:
            raise ValueError("there is no history to draw; give what train.fit returned")
        if not all(isinstance(value, (list, tuple, np.ndarray)) for value in histories.values()):
            return {str(name): history for name, history in histories.items()}
    return {"": histories}


def _columns(history: Any) -> dict[str, np.ndarray]:
    """A history as columns of numbers, Keras' ``val_`` spelled out."""
    for attribute in ("table", "history"):
        history = getattr(history, attribute, history)
    try:
        columns = {str(name): np.asarray(history[name], dtype=float) for name in history}
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ValueError(
            f"cannot draw {type(history).__name__} as training curves; give what train.fit returned"
        ) from error
    return {re.sub("^val_", "validation_", name): values for name, values in columns.items() if len(values)}


def scores(table: Mapping[str, Any], floor: Any = None, unit: Any = "") -> AltFigure:
    """Scores as points with their intervals, and the real-versus-real floor as a band.

    Args:
        table: name to score, a score being ``(value, low, high)`` or an object with these
            attributes (what ``evaluate.kid`` returns); or a metric's name to such a mapping, for a
            panel each. Missing intervals may be NaN.
        floor: the interval that two sets of real images reach between themselves, as
            ``(low, high)`` or a score; with several panels, a mapping from metric to floor.
        unit: what the axis shows and which way is better, such as ``"KID (lower is better)"``;
            with several panels, a mapping from metric to that text, or ``""`` for the metric's name.

    Raises:
        ValueError: no scores, an interval that does not hold its value, or a reversed floor.
    """
    panels = _panels(table)
    longest = max(len(str(name)) for group in panels.values() for name in group)
    height = 1.6 + 0.55 * max(map(len, panels.values()))
    width = max(6.5, 4.2 * len(panels) + 0.5 + 0.11 * longest)
    figure = new_figure(width, height, "", layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    words = []
    for axes, (metric, group) in zip(all_axes, panels.items(), strict=True):
        band = floor.get(metric) if isinstance(floor, Mapping) else floor
        if band is not None:
            low, high = (band.low, band.high) if hasattr(band, "low") else band
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f"the floor must be (low, high), low not above high, got {low}, {high}")
            axes.axvspan(low, high, color=OKABE_ITO["sky"], alpha=0.45, linewidth=0)
            # A tight floor may be thinner than a pixel: a dashed line in its middle stays visible.
            axes.axvline((low + high) / 2, color=OKABE_ITO["blue"], linestyle="--", linewidth=1.5)
            words.append(f"{metric} floor {low:.3g} to {high:.3g}".strip())
        for number, (name, (value, low, high)) in enumerate(group.items()):
            reach = [[value - low], [high - value]] if math.isfinite(low) and math.isfinite(high) else None
            look = {"fmt": MARKERS[number % len(MARKERS)], "color": SERIES[number % len(SERIES)]}
            axes.errorbar(
                value, number, xerr=reach, markersize=10, capsize=6, elinewidth=2.5, capthick=2.5, **look
            )
            place = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "size": SMALL}
            axes.annotate(f"{value:.3g}", (value, number), **place)
            words.append(f"{metric} {name} {value:.3g} ({low:.3g} to {high:.3g})".strip())
        axes.set_yticks(range(len(group)), [str(name) for name in group], family=families())
        axes.set_ylim(len(group) - 0.5, -0.7)
        axes.set_xlabel(
            unit.get(metric, metric) if isinstance(unit, Mapping) else unit or metric, fontsize=LABEL
        )
        tidy(axes)
        axes.grid(False, axis="y")
        axes.margins(x=0.12)
    bands = [axes.patches[0] for axes in all_axes if axes.patches]  # the panels that have a floor
    if bands:
        said = ["floor: real against real images"]
        figure.legend(bands[:1], said, loc="outside lower center", frameon=False, fontsize=SMALL)
    figure.alt = f"Scores with their intervals: {'; '.join(words)}."
    return figure


def _panels(table: Mapping[str, Any]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Metric to name to (value, low, high)."""
    nested = table and all(isinstance(value, Mapping) for value in table.values())
    groups = table if nested else {"": table}
    if not all(groups.values()):
        raise ValueError('there are no scores to draw; give {"dirty": (value, low, high), ...}')
    return {
        metric: {name: _score(name, score) for name, score in group.items()}
        for metric, group in groups.items()
    }


def _score(name: Any, score: Any) -> tuple[float, float, float]:
    if all(hasattr(score, part) for part in ("value", "low", "high")):
        score = (score.value, score.low, score.high)
    try:
        value, low, high = (float(number) for number in score)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the score of {name!r} must be (value, low, high), got {score!r}") from error
    if not math.isfinite(value):
        raise ValueError(f"the score of {name!r} is {value}; leave it out or score it again")
    if low > value or high < value:
        raise ValueError(
            f"the interval of {name!r}, {low:.4g} to {high:.4g}, does not hold its value {value:.4g}"
        )
    return value, low, high


_CHINESE_NAMES = {
    "collect": "收集", "clean": "清洗", "label": "标注", "augment": "增强", "train": "训练",
    "evaluate": "评估", "deploy": "部署", "corrupt": "损坏", "models": "模型", "metrics": "指标",
}  # fmt: skip


def pipeline(active: str = "") -> AltFigure:
    """Draw the seven stages, collect to deploy, with what serves them below.

    Chinese names stand under the English ones where a font for them is installed.

    Args:
        active: the stage to highlight (fill, thick frame and bold type, not colour alone).

    Raises:
        ValueError: a stage that does not exist.
    """
    if active and active not in STAGES:
        raise ValueError(f"no stage named {active!r}; the stages are {', '.join(STAGES)}")
    chinese = chinese_font("".join(sorted(set("".join(_CHINESE_NAMES.values()))))) is not None
    words = (
        f"The seven stages in a row, joined by arrows: {', '.join(STAGES)}. Below: corrupt feeds in between "
        "collect and clean, models feed train, metrics feed evaluate."
    )
    words += f" Highlighted: {active}." if active else ""
    box, space, top, below = (1.4, 1.0), 0.36, 0.3, 1.8  # inches: width and height, between, from the top
    figure = new_figure(7 * box[0] + 8 * space, 2.95, words)
    axes = blank_axes(figure)

    def draw(name: str, left: float, top: float, height: float, fill: str, edge: str, thick: float) -> None:
        look = {"facecolor": fill, "edgecolor": edge, "linewidth": thick}
        shape = "round,pad=0,rounding_size=0.12"
        axes.add_patch(FancyBboxPatch((left, top), box[0], height, boxstyle=shape, **look))
        at = {"x": left + box[0] / 2, "ha": "center", "va": "center"}
        type_ = {"size": TITLE, "weight": "bold"} if name in STAGES else {"size": LABEL}
        axes.text(y=top + height / 2 - (0.18 if chinese else 0), s=name, **at, **type_)
        if chinese:
            words = _CHINESE_NAMES[name]
            axes.text(y=top + height / 2 + 0.2, s=words, size=LABEL, family=families(), **at)

    def arrow(start: tuple[float, float], end: tuple[float, float], style: str = "-") -> None:
        look = {"arrowstyle": "-|>", "linewidth": 2.0, "color": "#333333", "mutation_scale": 16}
        axes.annotate("", end, start, arrowprops={**look, "shrinkA": 0, "shrinkB": 0, "linestyle": style})

    lefts = [space + number * (box[0] + space) for number in range(len(STAGES))]
    for left, stage in zip(lefts, STAGES, strict=True):
        look = (
            (OKABE_ITO["orange"], "#000000", 3.2) if stage == active else ("#EAF3FA", OKABE_ITO["blue"], 1.8)
        )
        draw(stage, left, top, box[1], *look)
        if left > lefts[0]:
            arrow((left - space, top + box[1] / 2), (left, top + box[1] / 2))
    for name, middle, target, style in (
        ("corrupt", lefts[1] - 0.6 * space, top + box[1] / 2 + 0.03, "--"),
        ("models", lefts[4] + box[0] / 2, top + box[1], "-"),
        ("metrics", lefts[5] + box[0] / 2, top + box[1], "-"),
    ):
        draw(name, middle - box[0] / 2, below, 0.8, "#F4F4F4", "#555555", 1.4)
        arrow((middle, below), (middle, target), style)
    return figure
