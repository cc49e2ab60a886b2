"""A table of measured cells in colour and words: which fault does which measure see?

Introduced in notebook 14.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# What a cell says, its colour, and the colour of its words. Light against dark tells them apart in grey too.
VERDICTS = {
    "seen": ("#0072B2", "white"),
    "partly": ("#9CCBE8", "black"),
    "missed": ("#F3F3F3", "black"),
    "fooled": ("#E69F00", "black"),
    "blind": ("white", "#555555"),
}


def fault_table(
    verdicts: Mapping[str, Mapping[str, str]],
    words: Mapping[str, Mapping[str, str]] | None = None,
    meanings: Mapping[str, str] | None = None,
    title: str | None = None,
    groups: Sequence[tuple[str, int]] = (),
) -> Any:
    """One row a fault, one column a measure; the colour and a word say what became of it.

    Args:
        verdicts: fault to measure to one of ``VERDICTS``; every fault has the same measures.
        words: a short text for each cell, such as the measured number; by default the verdict.
        meanings: verdict to what it means, for the legend below.
        title: a text above everything.
        groups: names over neighbouring columns and how many columns each takes.

    Returns:
        The figure.

    Raises:
        ValueError: no cells, rows with different measures, an unknown verdict, or groups that do not fit.
    """
    from matplotlib.patches import Patch, Rectangle

    from aigc_lab import plots as style

    rows = list(verdicts)
    columns = list(verdicts[rows[0]]) if rows else []
    if not columns:
        raise ValueError("there are no cells to draw; give {fault: {measure: verdict}}")
    for row in rows:
        if list(verdicts[row]) != columns:
            raise ValueError(f"row {row!r} has other measures than row {rows[0]!r}")
        unknown = sorted(set(verdicts[row].values()) - set(VERDICTS))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no verdict; use one of {', '.join(VERDICTS)}")
    if groups and sum(count for _, count in groups) != len(columns):
        raise ValueError(f"the groups take {sum(count for _, count in groups)} of {len(columns)} columns")
    longest = max(style.text_width(row, style.LABEL) for row in rows)
    # From the column heads downwards: names, cells, legend.
    wide, high = 1.06, 0.46
    width = longest + wide * len(columns) + 0.3
    head = 0.5 + (0.5 if title else 0) + (0.45 if groups else 0)
    found = {
        verdict: sum(v == verdict for row in verdicts.values() for v in row.values()) for verdict in VERDICTS
    }
    alt = f"{title or 'Faults against measures'}. " + "; ".join(
        f"{row}: seen by "
        + (", ".join(c.replace("\n", " ") for c in columns if verdicts[row][c] == "seen") or "no measure")
        for row in rows
    )
    figure = style.new_figure(width, head + high * len(rows) + 0.6, f"{alt}.")
    axes = style.blank_axes(figure)
    left, top = longest + 0.1, head
    for y, row in enumerate(rows):
        axes.text(left - 0.1, top + high * (y + 0.5), row, size=style.LABEL, ha="right", va="center")
        for x, column in enumerate(columns):
            verdict = verdicts[row][column]
            ground, ink = VERDICTS[verdict]
            place = (left + wide * x, top + high * y)
            axes.add_patch(Rectangle(place, wide, high, facecolor=ground, edgecolor="#BBBBBB", linewidth=0.8))
            text = words[row][column] if words else verdict
            middle = (place[0] + wide / 2, place[1] + high / 2)
            axes.text(*middle, text, size=style.SMALL, ha="center", va="center", color=ink)
    for x, column in enumerate(columns):
        axes.text(
            left + wide * (x + 0.5),
            top - 0.1,
            column,
            size=style.SMALL,
            ha="center",
            va="baseline",
        )
    at = left
    for name, count in groups:
        end = at + wide * count
        line = top - 0.42
        axes.plot([at + 0.06, end - 0.06], [line, line], color="black", linewidth=1.2)
        axes.text(
            (at + end) / 2, line - 0.06, name, size=style.LABEL, ha="center", va="bottom", weight="bold"
        )
        at = end
    if title:
        axes.text(0.1, 0.12, title, size=style.TITLE, weight="bold", va="top", family=style.families())
    handles = [
        Patch(
            facecolor=VERDICTS[name][0],
            edgecolor="#888888",
            label=f"{name}: {meanings[name]}" if name in (meanings or {}) else name,
        )
        for name, count in found.items()
        if count
    ]
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=style.SMALL
    )
    return figure


def heat_map(
    table: Any,
    unit: str,
    title: str | None = None,
    limits: tuple[float, float] | None = None,
    digits: int = 1,
) -> Any:
    """A pandas table of numbers as colours with the numbers in them: blue below zero, orange above.

    The colours are logarithmic beyond 1 and -1, so that 3 and 30 look different from 1 and from 100.

    Args:
        table: numbers, rows and columns named.
        unit: what the numbers are, for the bar beside.
        title: a text above everything.
        limits: numbers of the two ends of the colours; by default symmetric around zero. From 0 on: no blue.
        digits: after the point.

    Returns:
        The figure.

    Raises:
        ValueError: an empty table, or numbers that are not finite.
    """
    from matplotlib.colors import LinearSegmentedColormap, SymLogNorm

    from aigc_lab import plots as style

    values = np.asarray(table, dtype=float)
    if not values.size or not np.isfinite(values).all():
        raise ValueError("the table must hold finite numbers, at least one")
    rows, columns = [str(name) for name in table.index], [str(name) for name in table.columns]
    reach = max(float(np.abs(values).max()), 1e-12)
    low, high = limits or (-reach, reach)
    ends = [style.OKABE_ITO["blue"]] * (low < 0) + ["white", style.OKABE_ITO["orange"]]
    colours = LinearSegmentedColormap.from_list("safe", ends)
    longest = max(style.text_width(row, style.LABEL) for row in rows)
    words = "; ".join(
        f"{row}: "
        + ", ".join(f"{column} {value:.{digits}f}" for column, value in zip(columns, line, strict=True))
        for row, line in zip(rows, values, strict=True)
    )
    figure = style.new_figure(
        longest + 1.35 * len(columns) + 1.9,
        0.42 * len(rows) + 1.5,
        f"{title or unit}. {words}.",
        "constrained",
    )
    axes = figure.subplots()
    scale = SymLogNorm(1.0, vmin=low, vmax=high)
    shown = axes.imshow(values, cmap=colours, norm=scale, aspect="auto")
    for (y, x), value in np.ndenumerate(values):
        axes.text(x, y, f"{value:.{digits}f}", ha="center", va="center", size=style.SMALL)
    axes.set_xticks(range(len(columns)), columns, fontsize=style.SMALL)
    axes.set_yticks(range(len(rows)), rows, fontsize=style.LABEL)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    ticks = [tick for tick in (-100, -10, -1, 0, 1, 10, 100) if low <= tick <= high]
    bar = figure.colorbar(shown, ax=axes, ticks=ticks, format="%g")
    bar.set_label(unit, fontsize=style.SMALL)
    if title:
        figure.suptitle(title, fontsize=style.TITLE, weight="bold")
    return figure
