"""Grids of pictures, and rows to compare. Introduced in notebook 00."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset

_WIDTH = 10.0  # inches; what a notebook shows without shrinking
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
    from aigc_lab.show import figure as style

    columns = max(map(len, rows))
    heads = [style.wrapped(text, 1.9, style.LABEL) for text in row_labels or []]
    gutter = max((style.text_width(line, style.LABEL) for lines in heads for line in lines), default=0.0)
    gutter += 0.2 if heads else 0.0
    cell = min(_LARGEST_CELL, (_WIDTH - gutter - _GAP) / columns - _GAP)
    # Wide letters on a dense grid would overlap their neighbours: wrap, and shrink to 10 points at least.
    size = style.SMALL if cell > 0.95 else 10
    bands = [_wrapped_row(texts, cell, size) for texts in titles] if titles else [[] for _ in rows]
    line = 1.25 * size / 72
    width = gutter + _GAP + columns * (cell + _GAP)
    heading = style.wrapped(title, width - 0.2, style.TITLE) if title else []
    top = _GAP + len(heading) * 1.4 * style.TITLE / 72
    columns_band = _wrapped_row(column_titles or [], cell, size)
    column_lines = max(map(len, columns_band), default=0)
    heights = [max(map(len, band), default=0) * line + cell + _GAP for band in bands]
    figure = style.new_figure(width, top + column_lines * line + sum(heights), alt)
    axes = style.blank_axes(figure)
    words = {"family": style.families(), "color": "black"}
    if heading:
        axes.text(
            width / 2,
            _GAP,
            "\n".join(heading),
            size=style.TITLE,
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
                size=style.LABEL,
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
    from aigc_lab.show.figure import wrapped

    return [wrapped(str(text), cell + _GAP, size) for text in texts]


def _place(axes: Any, picture: np.ndarray, left: float, top: float, cell: float) -> None:
    """Draw one picture centred in its square, keeping its proportions, with a thin frame."""
    from matplotlib.patches import Rectangle

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
