"""Dose and response: curves with intervals, and the pictures behind one point. Introduced in notebook 15."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def dose_response(
    curves: Any,
    clean: Mapping[str, tuple[float, float, float]],
    name: str,
    floor: float | None = None,
    onsets: Any = None,
    title: str | None = None,
    alt: str | None = None,
) -> Any:
    """A panel for each defect: the score against the dose, a line for each model, its interval as a bar.

    Args:
        curves: table with ``model``, ``defect``, ``dose``, ``value``, ``low``, ``high``, such as
            ``study.dose_response`` gives.
        clean: for each model (value, low, high) at dose 0; the interval is drawn as a band.
        name: of the score with its unit, for the vertical axes.
        floor: what real pictures score, as a dotted line.
        onsets: table with ``model``, ``defect``, ``onset``, such as ``study.onsets`` gives: a ring marks
            where the harm leaves the noise.
        title, alt: a text above everything; what the figure shows, in words.

    Returns:
        The figure.

    Raises:
        ValueError: a table without rows, or a model without a clean score.
    """
    from aigc_lab import plots as style
    from aigc_lab.plots import tidy

    defects = list(dict.fromkeys(curves["defect"]))
    models = list(dict.fromkeys(curves["model"]))
    if not defects:
        raise ValueError("there is no curve to draw; the table has no rows")
    if missing := [model for model in models if model not in clean]:
        raise ValueError(f"clean has no score of the model {missing[0]!r}")
    columns = min(4, len(defects))
    rows = math.ceil(len(defects) / columns)
    words = (
        alt or f"{name} against the dose for {', '.join(map(_plain, defects))}; models {', '.join(models)}."
    )
    figure = style.new_figure(2.9 * columns + 0.4, 2.7 * rows + 0.8, words, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    marks: dict[str, Any] = {}
    for defect, axes in zip(defects, panels, strict=False):
        for number, model in enumerate(models):
            line = curves[(curves["defect"] == defect) & (curves["model"] == model)].sort_values("dose")
            value, low, high = clean[model]
            colour = style.SERIES[number % len(style.SERIES)]
            axes.axhspan(low, high, color=colour, alpha=0.18, linewidth=0)
            doses = np.array([0.0, *line["dose"]])
            scores = np.array([value, *line["value"]])
            ends = np.array([[value - low, *(line["value"] - line["low"])],
                             [high - value, *(line["high"] - line["value"])]])  # fmt: skip
            marks[model] = axes.errorbar(
                doses, scores, np.maximum(ends, 0), color=colour, linewidth=2, capsize=3, markersize=6,
                marker=style.MARKERS[number % len(style.MARKERS)],
            )  # fmt: skip
            if onsets is not None:
                here = onsets[(onsets["defect"] == defect) & (onsets["model"] == model)]["onset"].dropna()
                for dose in here:
                    marks["harm leaves the noise"] = axes.scatter(
                        dose, line.loc[np.isclose(line["dose"], dose), "value"], s=190, zorder=3,
                        facecolors="none", edgecolors=style.OKABE_ITO["black"], linewidths=1.8,
                    )  # fmt: skip
        if floor is not None:
            marks["real pictures"] = axes.axhline(floor, color="0.35", linestyle=":", linewidth=1.8)
        axes.set_title(_plain(defect), fontsize=style.SMALL, weight="bold")
        tidy(axes)
    for axes in panels[len(defects) :]:
        axes.remove()
    for number, axes in enumerate(panels[: len(defects)]):
        if number + columns >= len(defects):
            axes.set_xlabel("dose (share of items)", fontsize=style.SMALL)
    figure.supylabel(name, fontsize=style.LABEL)
    # A wide interval may leave the panel, so that it does not press the curves flat.
    levels = [*curves["value"], *(value for value, _, _ in clean.values())] + (
        [floor] if floor is not None else []
    )
    margin = 0.3 * (max(levels) - min(levels)) or 1.0
    panels[0].set_ylim(min(levels) - margin, max(levels) + margin)
    if title:
        figure.suptitle(title, fontsize=style.TITLE, weight="bold")
    figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=len(marks), frameon=False,
                  prop={"size": style.SMALL})  # fmt: skip
    return figure


def dose_picture(
    training: Any,
    samples: Any,
    labels: Sequence[str],
    scores: Mapping[str, Any] | None = None,
    title: str = "",
    columns: int = 8,
) -> Any:
    """What a model was trained on and what it draws then, side by side: the picture behind one dose.

    Args:
        training: pictures of the training set, ``(n, height, width)`` or with a channel.
        samples: as many pictures of the model, or None where none are stored.
        labels: the label under each training picture.
        scores: name to text, written under the samples.
        title: above everything, such as the defect and the dose.
        columns: pictures a row, on either side.

    Returns:
        The figure; its alt text has the title and the scores.
    """
    from aigc_lab import plots as style

    count = (len(training) // columns) * columns
    said = ", ".join(f"{name} {text}" for name, text in (scores or {}).items())
    words = f"{title}. Left: training pictures with their labels. Right: what the model draws. {said}".strip()
    rows = max(1, count // columns)
    figure = style.new_figure(11.5, 0.85 * rows + 1.3, words)
    halves = [("trained on", training, labels), ("drawn", samples, None)]
    for side, (head, pictures, names) in enumerate(halves):
        left = 0.01 + 0.5 * side
        figure.text(left + 0.24, 1 - 0.62 / figure.get_figheight(), head, ha="center", fontsize=style.LABEL)
        if pictures is None:
            figure.text(left + 0.24, 0.5, "no samples are stored here", ha="center", fontsize=style.SMALL)
            continue
        for number in range(min(count, len(pictures))):
            row, column = divmod(number, columns)
            width, height = 0.48 / columns, (1 - 1.3 / figure.get_figheight()) / rows
            axes = figure.add_axes(
                (left + column * width, 1 - 0.75 / figure.get_figheight() - (row + 1) * height,
                 0.9 * width, 0.74 * height)
            )  # fmt: skip
            picture = np.asarray(pictures[number]).squeeze()
            brightest = 255 if picture.dtype == np.uint8 else 1
            axes.imshow(picture, cmap="gray", vmin=0, vmax=brightest, interpolation="nearest")
            axes.axis("off")
            if names is not None:
                axes.set_title(names[number], fontsize=8, pad=1)
    figure.text(
        0.5, 1 - 0.3 / figure.get_figheight(), title, ha="center", fontsize=style.TITLE, weight="bold"
    )
    figure.text(0.75, 0.12 / figure.get_figheight(), said, ha="center", fontsize=style.SMALL)
    return figure


def _plain(defect: str) -> str:
    return str(defect).replace("_", " ")
