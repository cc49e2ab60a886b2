"""Figures that several notebooks share: pictures in rows, training curves, scores with their floor, the pipeline.

Each function returns a Matplotlib figure that knows in words what it shows (``figure.alt``): end the cell with
``plt.show()``. Colours are told apart with every common colour vision; letters are readable on a projector.
Introduced in notebook 00.
"""

from __future__ import annotations

import base64
import io
import math
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from aigc_lab import STAGES
from aigc_lab.collect.dataset import Dataset

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
        raise ValueError("this figure has no text alternative: alt() is for figures made by aigc_lab.plots")
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


_PAGE_WIDTH = 10.0  # inches; what a notebook shows without shrinking
_LARGEST_CELL = 2.2
_GAP = 0.08


def as_pictures(images: Any) -> list[np.ndarray]:
    """Pictures as a list of ``uint8`` arrays, ``(height, width)`` or ``(height, width, 3)``.

    Args:
        images: an image ``Dataset``; an array ``(n, height, width)`` or ``(n, height, width, channels)``
            with 1 or 3 channels; one grey picture ``(height, width)``; or a list of single
            pictures, which may differ in size. Values are uint8, bool, or float in [0, 1].

    Raises:
        ValueError: no pictures, a shape or type that is none of these, NaN, or floats outside [0, 1].
    """
    if isinstance(images, Dataset):
        if images.modality != "images":
            raise ValueError(f"only pictures can be drawn; this data set holds {images.modality}")
        images = images.data
    if not isinstance(images, (list, tuple)):
        images = np.asarray(images)
        if images.ndim == 2:
            images = images[None]
        if images.ndim not in (3, 4):
            raise ValueError(
                "pictures must have shape (n, height, width) or (n, height, width, channels), "
                f"got {images.shape}"
            )
        # Grey pictures that narrow are hardly meant, and drawing 28 of them would only puzzle.
        if images.ndim == 3 and images.shape[2] in (1, 3, 4) and images.shape[1] >= 8:
            raise ValueError(
                f"shape {images.shape} looks like one picture with its channels; "
                "give picture[None] or [picture]"
            )
    if not len(images):
        raise ValueError("there are no pictures to draw; give at least one")
    return [_as_uint8(np.asarray(picture)) for picture in images]


def _as_uint8(picture: np.ndarray) -> np.ndarray:
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if (picture.ndim != 2 and not (picture.ndim == 3 and picture.shape[-1] == 3)) or not picture.size:
        raise ValueError(f"a picture must be (height, width) with 1 or 3 channels, got shape {picture.shape}")
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype == bool:
        return picture.astype(np.uint8) * 255
    if not np.issubdtype(picture.dtype, np.floating):
        raise ValueError(f"pictures must be uint8, bool, or float in [0, 1], got {picture.dtype}")
    if not np.isfinite(picture).all():
        raise ValueError("pictures hold NaN or infinite values; drop or repair them before drawing")
    low, high = float(picture.min()), float(picture.max())
    if low < -1e-5 or high > 1 + 1e-5:
        raise ValueError(
            f"float pictures must lie in [0, 1], these go from {low:.3g} to {high:.3g}; rescale them"
        )
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def grid(
    images: Any,
    titles: Sequence[Any] | None = None,
    columns: int = 8,
    row_labels: Sequence[Any] | None = None,
    title: str | None = None,
    column_titles: Sequence[Any] | None = None,
    alt: str | None = None,
) -> Any:
    """Draw pictures in rows, pixel by pixel (nothing is smoothed).

    Args:
        images: see ``as_pictures``; a labelled ``Dataset`` brings its class names as titles.
        titles: a text above each picture. ``[]`` turns a data set's own titles off.
        columns: pictures a row.
        row_labels: a text left of each row.
        title: a text above everything.
        column_titles: a text above each column.
        alt: what the figure shows, in words; made up from the rest where it is not given.

    Returns:
        The figure; nothing is shown by itself.

    Raises:
        ValueError: pictures that cannot be drawn, or texts of another number than what they name.
    """
    if titles is None and isinstance(images, Dataset) and images.labels is not None:
        titles = [images.class_names[label] for label in images.labels]
    pictures = as_pictures(images)
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    columns = min(columns, len(pictures))
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    for what, texts, count in (
        ("titles", titles, len(pictures)),
        ("row labels", row_labels, len(rows)),
        ("column titles", column_titles, columns),
    ):
        if texts is not None and len(texts) not in (0, count):
            raise ValueError(f"{count} {what} are needed, got {len(texts)}")
    texts = [str(text) for text in titles] if titles is not None and len(titles) else None
    split = (
        None if texts is None else [texts[start : start + columns] for start in range(0, len(texts), columns)]
    )
    if alt is None:
        pieces = f"{len(pictures)} picture{'s' * (len(pictures) > 1)}"
        alt = f"{pieces} in {len(rows)} row{'s' * (len(rows) > 1)} of {columns}."
        if row_labels:
            alt += f" Rows: {', '.join(map(str, row_labels))}."
        if texts:
            alt += f" Titles: {', '.join(texts[:columns])}{' ...' if len(texts) > columns else ''}."
    return draw_rows(rows, split, row_labels, title, column_titles, alt)


def compare(
    groups: Mapping[str, Any],
    columns: int = 8,
    title: str | None = None,
    column_titles: Sequence[Any] | None = None,
    alt: str | None = None,
) -> Any:
    """One row of pictures for each group, under each other: the first ``columns`` of each.

    Args:
        groups: name to pictures (see ``as_pictures``), such as ``{"dirty": ..., "clean": ...}``.
        columns: pictures a row at most; a group with fewer leaves the rest of its row empty.
        title: a text above everything.
        column_titles: a text above each column, such as the class names.
        alt: what the figure shows, in words.

    Raises:
        ValueError: no groups, or pictures that cannot be drawn.
    """
    if not groups:
        raise ValueError(
            'there is nothing to compare; give groups such as {"dirty": images, "clean": images}'
        )
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    rows = [as_pictures(images)[:columns] for images in groups.values()]
    if column_titles is not None:
        column_titles = list(column_titles)[: max(map(len, rows))]
    if alt is None:
        alt = f"{len(rows)} rows of up to {max(map(len, rows))} pictures: {', '.join(map(str, groups))}."
    return draw_rows(rows, None, list(groups), title, column_titles, alt)


def draw_rows(
    rows: Sequence[Sequence[np.ndarray | None]],
    titles: Sequence[Sequence[str]] | None,
    row_labels: Sequence[Any] | None,
    title: str | None,
    column_titles: Sequence[Any] | None,
    alt: str,
) -> Any:
    """Draw rows of ready ``uint8`` pictures (None leaves a gap), laid out in inches from the top left."""
    columns = max(map(len, rows))
    heads = [wrapped(text, 1.9, LABEL) for text in row_labels or []]
    gutter = max((text_width(line, LABEL) for lines in heads for line in lines), default=0.0)
    gutter += 0.2 if heads else 0.0
    cell = min(_LARGEST_CELL, (_PAGE_WIDTH - gutter - _GAP) / columns - _GAP)
    # Wide letters on a dense grid would overlap their neighbours: wrap, and shrink to 10 points at least.
    size = SMALL if cell > 0.95 else 10
    bands = [_wrapped_row(texts, cell, size) for texts in titles] if titles else [[] for _ in rows]
    line = 1.25 * size / 72
    width = gutter + _GAP + columns * (cell + _GAP)
    heading = wrapped(title, width - 0.2, TITLE) if title else []
    top = _GAP + len(heading) * 1.4 * TITLE / 72
    columns_band = _wrapped_row(column_titles or [], cell, size)
    column_lines = max(map(len, columns_band), default=0)
    heights = [max(map(len, band), default=0) * line + cell + _GAP for band in bands]
    figure = new_figure(width, top + column_lines * line + sum(heights), alt)
    axes = blank_axes(figure)
    words = {"family": families(), "color": "black"}
    if heading:
        axes.text(
            width / 2,
            _GAP,
            "\n".join(heading),
            size=TITLE,
            weight="bold",
            ha="center",
            va="top",
            **words,
        )
    top += column_lines * line
    for column, lines in enumerate(columns_band):
        middle = gutter + _GAP + column * (cell + _GAP) + cell / 2
        axes.text(
            middle, top - 0.03, "\n".join(lines), size=size, weight="bold", ha="center", va="bottom", **words
        )
    for number, pictures in enumerate(rows):
        bottom = top + heights[number] - _GAP
        if heads:
            label = "\n".join(heads[number])
            axes.text(
                gutter,
                bottom - cell / 2,
                label,
                size=LABEL,
                weight="bold",
                ha="right",
                va="center",
                **words,
            )
        for column, picture in enumerate(pictures):
            left = gutter + _GAP + column * (cell + _GAP)
            if picture is not None:
                _place(axes, picture, left, bottom - cell, cell)
            if bands[number]:
                text = "\n".join(bands[number][column])
                axes.text(
                    left + cell / 2, bottom - cell - 0.03, text, size=size, ha="center", va="bottom", **words
                )
        top += heights[number]
    return figure


def _wrapped_row(texts: Sequence[Any], cell: float, size: float) -> list[list[str]]:
    return [wrapped(str(text), cell + _GAP, size) for text in texts]


def _place(axes: Any, picture: np.ndarray, left: float, top: float, cell: float) -> None:
    """Draw one picture centred in its square, keeping its proportions, with a thin frame."""
    height, width = picture.shape[:2]
    scale = cell / max(height, width)
    step = max(1, max(height, width) // 512)  # a photo of 4,000 pixels is not kept at full size in a notebook
    left += (cell - width * scale) / 2
    top += (cell - height * scale) / 2
    extent = (left, left + width * scale, top + height * scale, top)
    axes.imshow(
        picture[::step, ::step],
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=extent,
        interpolation="nearest",
        aspect="auto",
    )
    # A white picture on a white page would have no border.
    frame = {"fill": False, "edgecolor": "#888888", "linewidth": 0.8}
    axes.add_patch(Rectangle((left, top), width * scale, height * scale, **frame))


_NOT_A_CURVE = ("epoch", "step", "seconds", "learning_rate")
_NAMES = {"kl": "KL divergence", "loss": "loss (negative ELBO)"}


def curves(
    histories: Any,
    metrics: Sequence[str] | None = None,
    unit: str = "nats per image",
    title: str | None = None,
    alt: str | None = None,
) -> Any:
    """Training curves: a panel for each metric, a colour and marker for each run, dashes for validation.

    Args:
        histories: what ``train.fit`` returned, its ``.table``, a Keras ``History`` or its dict of
            lists; or a mapping from a run's name to any of these.
        metrics: columns to draw; by default each one (``validation_x`` belongs to ``x``).
        unit: unit of the vertical axes, in words; ``""`` for none.
        title: a text above everything.
        alt: what the figure shows, in words; made up from the rest where it is not given.

    Returns:
        The figure.

    Raises:
        ValueError: something that is no history, no epochs, or a metric that was not recorded.
    """
    runs = {name: _table(history) for name, history in _named(histories).items()}
    found = list(dict.fromkeys(name for table in runs.values() for name in table if _is_metric(name)))
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
    ends = [f"{name} {value:.1f}" for name, value in _last(runs, metrics[0])]
    words = alt or (
        f"Training curves of {', '.join(metrics)} against the {axis}"
        f"{'' if len(runs) == 1 else ' for ' + ', '.join(map(str, runs))}. "
        f"{metrics[0]} at the end: {', '.join(ends)}."
    )
    figure = new_figure(max(6.0, 4.0 * columns), 3.8 * rows + 0.6, words, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    lines = {}
    for metric, axes in zip(metrics, panels, strict=False):
        for number, (run, table) in enumerate(runs.items()):
            look = {
                "color": SERIES[number % len(SERIES)],
                "marker": MARKERS[number % len(MARKERS)],
            }
            for column, part, dashes in (
                (metric, "training", "-"),
                (f"validation_{metric}", "validation", "--"),
            ):
                if column not in table or np.isnan(table[column]).all():
                    continue
                label = part if len(runs) == 1 else f"{run}, {part}"
                place = table.get(axis, np.arange(1, len(table[column]) + 1))
                shown = {
                    "linestyle": dashes,
                    "linewidth": 2.2,
                    "markersize": 7,
                    "markevery": max(1, len(place) // 10),
                }
                hollow = {"markerfacecolor": "white"} if dashes == "--" else {}
                (lines[label],) = axes.plot(place, table[column], label=label, **look, **shown, **hollow)
        name = _NAMES.get(metric, metric.replace("_", " "))
        axes.set_title(name, fontsize=LABEL, weight="bold")
        axes.set_xlabel(axis, fontsize=LABEL)
        axes.set_ylabel(unit or name, fontsize=LABEL)
        axes.xaxis.get_major_locator().set_params(integer=True)
        tidy(axes)
    for axes in panels[len(metrics) :]:
        axes.remove()
    if title:
        figure.suptitle(title, fontsize=TITLE, weight="bold", family=families())
    # Filled column by column: with several runs, each run is a column with its validation below its training.
    widest = max(text_width(label, SMALL) for label in lines) + 0.9
    fitting = max(1, int(figure.get_figwidth() / widest))
    figure.legend(
        lines.values(),
        lines.keys(),
        loc="outside lower center",
        ncols=min(fitting, len(runs) if len(runs) > 1 else len(lines)),
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
        if not all(_is_numbers(value) for value in histories.values()):
            return {str(name): history for name, history in histories.items()}
    return {"": histories}


def _is_numbers(value: Any) -> bool:
    return isinstance(value, (list, tuple, np.ndarray)) and np.asarray(value).dtype.kind in "fiu"


def _table(history: Any) -> dict[str, np.ndarray]:
    """A history as columns of numbers, Keras' ``val_`` spelled out."""
    for attribute in ("table", "history"):
        history = getattr(history, attribute, history)
    try:
        columns = {str(name): np.asarray(history[name], dtype=float) for name in history}
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ValueError(
            f"cannot draw {type(history).__name__} as training curves; give what train.fit returned"
        ) from error
    if columns and not len(next(iter(columns.values()))):
        return {}
    return {
        name.replace("val_", "validation_", 1) if name.startswith("val_") else name: values
        for name, values in columns.items()
    }


def _is_metric(name: str) -> bool:
    return name not in _NOT_A_CURVE and not name.startswith("validation_")


def _last(runs: Mapping[str, Mapping[str, np.ndarray]], metric: str) -> list[tuple[str, float]]:
    ends = []
    for run, table in runs.items():
        for column, part in ((metric, "training"), (f"validation_{metric}", "validation")):
            if column in table:
                ends.append((f"{run} {part}".strip(), float(table[column][-1])))
    return ends


def scores(
    table: Any,
    floor: Any = None,
    unit: str = "",
    title: str | None = None,
    alt: str | None = None,
) -> Any:
    """Scores as points with their intervals, and the real-versus-real floor as a band.

    Args:
        table: name to score, a score being ``(value, low, high)`` or an object with these
            attributes (what ``evaluate.kid`` returns); or a metric's name to such a mapping, for a
            panel each; or a pandas table with columns ``name``, ``value``, ``low``, ``high`` and,
            for several panels, ``metric``. Missing intervals may be NaN.
        floor: the interval that two sets of real pictures reach between themselves, as
            ``(low, high)`` or a score; with several panels, a mapping from metric to floor.
        unit: what the axis shows and which way is better, such as ``"KID (lower is better)"``;
            with several panels, a mapping from metric to that text, or ``""`` for the metric's name.
        title: a text above everything.
        alt: what the figure shows, in words; made up from the numbers where it is not given.

    Returns:
        The figure.

    Raises:
        ValueError: no scores, or an interval that does not hold its value.
    """
    panels = _panels(table)
    longest = max(len(str(name)) for group in panels.values() for name in group)
    most = max(map(len, panels.values()))
    words, width = [], 4.2 * len(panels) + 0.5 + 0.11 * longest
    figure = new_figure(
        max(6.5, width), 1.6 + 0.55 * most + (0.4 if title else 0), "", layout="constrained"
    )
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (metric, group) in zip(all_axes, panels.items(), strict=True):
        band = floor.get(metric) if isinstance(floor, Mapping) else floor
        if band is not None:
            low, high = _interval(band)
            axes.axvspan(low, high, color=OKABE_ITO["sky"], alpha=0.45, linewidth=0)
            # A tight floor may be thinner than a pixel: a dashed line in its middle stays visible.
            axes.axvline((low + high) / 2, color=OKABE_ITO["blue"], linestyle="--", linewidth=1.5)
            words.append(f"{metric} floor {low:.3g} to {high:.3g}".strip())
        for number, (name, (value, low, high)) in enumerate(group.items()):
            reach = [[value - low], [high - value]] if math.isfinite(low) and math.isfinite(high) else None
            axes.errorbar(
                value,
                number,
                xerr=reach,
                fmt=MARKERS[number % len(MARKERS)],
                markersize=10,
                capsize=6,
                color=SERIES[number % len(SERIES)],
                elinewidth=2.5,
                capthick=2.5,
            )
            axes.annotate(
                f"{value:.3g}",
                (value, number),
                (0, 9),
                textcoords="offset points",
                ha="center",
                size=SMALL,
            )
            words.append(f"{metric} {name} {value:.3g} ({low:.3g} to {high:.3g})".strip())
        axes.set_yticks(range(len(group)), [str(name) for name in group], family=families())
        axes.set_ylim(len(group) - 0.5, -0.7)
        label = unit.get(metric, metric) if isinstance(unit, Mapping) else (unit or metric)
        axes.set_xlabel(label, fontsize=LABEL)
        tidy(axes)
        axes.grid(False, axis="y")
        axes.margins(x=0.12)
    bands = [axes.patches[0] for axes in all_axes if axes.patches]  # the panels that have a floor
    if bands:
        figure.legend(
            bands[:1],
            ["floor: real against real pictures"],
            loc="outside lower center",
            frameon=False,
            fontsize=SMALL,
        )
    if title:
        figure.suptitle(title, fontsize=TITLE, weight="bold", family=families())
    figure.alt = alt or f"Scores with their intervals: {'; '.join(words)}."
    return figure


def _panels(table: Any) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Metric to name to (value, low, high)."""
    if hasattr(table, "columns"):
        missing = [name for name in ("name", "value", "low", "high") if name not in table.columns]
        if missing:
            raise ValueError(
                f"the scores need a column {missing[0]!r}; the columns are {', '.join(table.columns)}"
            )
        groups: dict[str, dict[str, Any]] = {}
        for row in table.to_dict("records"):
            groups.setdefault(str(row.get("metric", "")), {})[row["name"]] = (
                row["value"],
                row["low"],
                row["high"],
            )
    elif isinstance(table, Mapping) and table:
        nested = all(isinstance(value, Mapping) for value in table.values())
        groups = dict(table) if nested else {"": dict(table)}
    else:
        groups = {}
    if not groups or not all(groups.values()):
        raise ValueError('there are no scores to draw; give a table or {"dirty": (value, low, high), ...}')
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


def _interval(band: Any) -> tuple[float, float]:
    if hasattr(band, "low") and hasattr(band, "high"):
        band = (band.low, band.high)
    low, high = (float(number) for number in band)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"the floor must be (low, high) with low not above high, got ({low}, {high})")
    return low, high


def tidy(axes: Any) -> None:
    axes.tick_params(labelsize=SMALL)
    axes.grid(True, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


_CHINESE = {
    "collect": "收集",
    "clean": "清洗",
    "label": "标注",
    "augment": "增强",
    "train": "训练",
    "evaluate": "评估",
    "deploy": "部署",
    "corrupt": "损坏",
    "models": "模型",
    "show": "展示",
    "metrics": "指标",
}
_BOX, _SPACE, _HIGH, _TOP = 1.4, 0.36, 1.0, 0.3  # inches


def pipeline(active: str | Sequence[str] | None = None, chinese: bool = True) -> Any:
    """Draw collect, clean, label, augment, train, evaluate, deploy, with what serves them below.

    Args:
        active: the stage or stages to highlight (fill, thick frame and bold type, not colour alone).
        chinese: add Chinese names under the English ones, where a font for them is installed.

    Returns:
        The figure.

    Raises:
        ValueError: a stage that does not exist.
    """
    chosen = [active] if isinstance(active, str) else list(active or ())
    for stage in chosen:
        if stage not in STAGES:
            raise ValueError(f"no stage named {stage!r}; the stages are {', '.join(STAGES)}")
    chinese = chinese and chinese_font("".join(sorted(set("".join(_CHINESE.values()))))) is not None
    words = f"The seven stages in a row, joined by arrows: {', '.join(STAGES)}. "
    words += "Below: corrupt feeds in between collect and clean, "
    words += "models feed train, metrics feed evaluate."
    if chosen:
        words += f" Highlighted: {', '.join(chosen)}."
    figure = new_figure(2 * _SPACE + 7 * _BOX + 6 * _SPACE, 2.95, words)
    axes = blank_axes(figure)

    def box(left: float, top: float, width: float, height: float, name: str, shown: str, look: str) -> None:
        colours = {
            "stage": ("#EAF3FA", OKABE_ITO["blue"], 1.8),
            "active": (OKABE_ITO["orange"], "#000000", 3.2),
            "helper": ("#F4F4F4", "#555555", 1.4),
        }
        fill, edge, thick = colours[look]
        axes.add_patch(
            FancyBboxPatch(
                (left, top),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.12",
                facecolor=fill,
                edgecolor=edge,
                linewidth=thick,
            )
        )
        weight = "normal" if look == "helper" else "bold"
        size = TITLE if look != "helper" else LABEL
        middle, shift = top + height / 2, 0.18 if chinese else 0.0
        axes.text(left + width / 2, middle - shift, shown, size=size, weight=weight, ha="center", va="center")
        if chinese:
            axes.text(
                left + width / 2,
                middle + 0.2,
                _CHINESE[name],
                size=LABEL,
                ha="center",
                va="center",
                family=families(),
            )

    def arrow(start: tuple[float, float], end: tuple[float, float], dashed: bool = False) -> None:
        line = {
            "arrowstyle": "-|>",
            "linewidth": 2.0,
            "color": "#333333",
            "mutation_scale": 16,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        axes.annotate("", end, start, arrowprops={**line, "linestyle": "--" if dashed else "-"})

    lefts = [_SPACE + number * (_BOX + _SPACE) for number in range(len(STAGES))]
    for number, stage in enumerate(STAGES):
        box(lefts[number], _TOP, _BOX, _HIGH, stage, stage, "active" if stage in chosen else "stage")
        if number:
            arrow((lefts[number] - _SPACE, _TOP + _HIGH / 2), (lefts[number], _TOP + _HIGH / 2))
    below, low = _TOP + _HIGH + 0.5, 0.8
    helpers = (
        ("corrupt", "corrupt", lefts[1] - 0.6 * _SPACE, _TOP + _HIGH / 2 + 0.03),
        ("models", "models", lefts[4] + _BOX / 2, _TOP + _HIGH),
        ("metrics", "metrics", lefts[5] + _BOX / 2, _TOP + _HIGH),
    )
    for name, shown, middle, target in helpers:
        width = 1.6 if name == "corrupt" else _BOX
        box(middle - width / 2, below, width, low, name, shown, "helper")
        arrow((middle, below), (middle, target), dashed=name == "corrupt")
    return figure
