"""The pictures of notebook 13: range test, best so far, the winner's curse, checkpoints. Introduced there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def range_picture(test: Any, unit: str = "nats per image") -> Any:
    """The loss of a ``train.range_test`` against the learning rate, with its three marks.

    Returns:
        The figure.
    """
    from aigc_lab import plots as style

    table = test.table
    figure = style.new_figure(
        8.5,
        4.6,
        f"Loss against the learning rate on a logarithmic axis: falling fastest at {test.steepest:.2g}, "
        f"lowest at {test.lowest:.2g}"
        + (f", blown up at {test.blown_up:.2g}." if np.isfinite(test.blown_up) else "."),
        layout="constrained",
    )
    axes = figure.subplots()
    axes.semilogx(table["learning_rate"], table["loss"], color="0.7", linewidth=1, label="loss of each batch")
    axes.semilogx(
        table["learning_rate"],
        table["smoothed"],
        color=style.OKABE_ITO["blue"],
        linewidth=2.4,
        label="smoothed",
    )
    marks = {"falls fastest": test.steepest, "lowest": test.lowest, "blown up": test.blown_up}
    for number, (name, rate) in enumerate(marks.items()):
        if np.isfinite(rate):
            colour = style.SERIES[(number + 1) % len(style.SERIES)]
            look = {"color": colour, "linestyle": ("-", "--", ":")[number], "linewidth": 2.2}
            axes.axvline(rate, label=f"{name}: {rate:.2g}", **look)
    axes.set_xlabel("learning rate, higher at every step", fontsize=style.LABEL)
    axes.set_ylabel(f"loss, {unit}", fontsize=style.LABEL)
    _finish(axes)
    return figure


def best_so_far(
    curves: Mapping[str, np.ndarray],
    places: Sequence[float],
    unit: str,
    level: tuple[str, float] | None = None,
    limits: tuple[float, float] | None = None,
) -> Any:
    """The best value found so far against the steps spent: mean over searches with Student's interval.

    Args:
        curves: method to values ``(searches, places)``; NaN where a search had no finished trial yet.
        places: training steps spent.
        unit: of the vertical axis, in words.
        level: name and height of a line to compare with.
        limits: of the vertical axis.

    Raises:
        ValueError: values of another shape.
    """
    from aigc_lab import evaluate
    from aigc_lab import plots as style

    figure = style.new_figure(9, 5, "", layout="constrained")
    axes = figure.subplots()
    words = []
    for number, (name, values) in enumerate(curves.items()):
        values = np.asarray(values, float)
        if values.ndim != 2 or values.shape[1] != len(places):
            raise ValueError(
                f"the values of {name!r} must have shape (searches, {len(places)}), got {values.shape}"
            )
        whole = np.isfinite(values).all(axis=0)
        scores = [evaluate.seed_interval(column) for column in values[:, whole].T]
        here = np.asarray(places)[whole]
        colour = style.SERIES[number % len(style.SERIES)]
        mean = [score.value for score in scores]
        axes.fill_between(
            here,
            [score.low for score in scores],
            [score.high for score in scores],
            color=colour,
            alpha=0.15,
            step="post",
        )
        axes.step(
            here,
            mean,
            where="post",
            color=colour,
            linewidth=2.4,
            label=name,
            markersize=7,
            marker=style.MARKERS[number % len(style.MARKERS)],
            markevery=max(1, len(here) // 6),
        )
        words.append(f"{name} {mean[-1]:.1f} ({scores[-1].low:.1f} to {scores[-1].high:.1f})")
    if level is not None:
        axes.axhline(level[1], color="0.3", linestyle="--", linewidth=1.8, label=level[0])
        words.append(f"{level[0]} {level[1]:.1f}")
    if limits is not None:
        axes.set_ylim(*limits)
    axes.set_xlabel("training steps spent, all trials together", fontsize=style.LABEL)
    axes.set_ylabel(unit, fontsize=style.LABEL)
    _finish(axes)
    figure.alt = f"Best value so far against the steps spent. At the end: {'; '.join(words)}."
    return figure


def selection_picture(panels: Mapping[str, Mapping[str, Any]]) -> Any:
    """How far the winner of n runs lies above what it is worth, measured and in theory.

    Args:
        panels: title to ``counts`` (n), ``measured`` (mean gap), ``low``, ``high``, ``theory``, ``unit``.
    """
    from aigc_lab import plots as style

    figure = style.new_figure(5.2 * len(panels), 4.8, "", layout="constrained")
    words = []
    for axes, (title, panel) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        axes.fill_between(
            panel["counts"], panel["low"], panel["high"], color=style.OKABE_ITO["sky"], alpha=0.4, linewidth=0
        )
        lines = (("measured", "o-", "blue", 2.2), ("theory", "--", "vermilion", 2.4))
        for name, marks, colour, width in lines:
            look = {"color": style.OKABE_ITO[colour], "linewidth": width}
            axes.semilogx(panel["counts"], panel[name], marks, base=2, label=name, **look)
        axes.axhline(0, color="0.4", linewidth=1)
        axes.set_xticks(panel["counts"], [str(count) for count in panel["counts"]])
        axes.minorticks_off()
        axes.set_title(title, fontsize=style.LABEL, weight="bold")
        axes.set_xlabel("runs that the best is chosen from", fontsize=style.LABEL)
        axes.set_ylabel(panel["unit"], fontsize=style.SMALL)
        _finish(axes)
        words.append(
            f"{title}: {panel['measured'][-1]:.3g} of {panel['counts'][-1]} runs, theory "
            f"{panel['theory'][-1]:.3g}"
        )
    figure.alt = f"What choosing the best adds to its score, against the number of runs. {'; '.join(words)}."
    return figure


def checkpoint_picture(table: Any, looked_at: int, seen: str, fresh: str, unit: str, title: str = "") -> Any:
    """One training scored at its checkpoints: what was looked at, the pick, and its fresh score.

    Args:
        table: ``step`` and the two columns, lower is better.
        looked_at: of the last so many checkpoints the best is chosen.
        seen, fresh: names of the columns.
        unit: of the vertical axis.

    Raises:
        ValueError: ``looked_at`` is not from 1 to the number of checkpoints.
    """
    from aigc_lab import plots as style

    if not 1 <= looked_at <= len(table):
        raise ValueError(f"looked_at must be from 1 to {len(table)}, got {looked_at}")
    part = table.iloc[-looked_at:]
    pick = part.loc[part[seen].idxmin()]
    figure = style.new_figure(
        9,
        4.8,
        f"{unit} along training, on the pictures looked at and on fresh ones. The best of the last "
        f"{looked_at} checkpoints is that of step {pick['step']:.0f}: {pick[seen]:.4f} seen, "
        f"{pick[fresh]:.4f} fresh; at the end {table[fresh].iloc[-1]:.4f} fresh.",
        layout="constrained",
    )
    axes = figure.subplots()
    axes.axvspan(part["step"].iloc[0], part["step"].iloc[-1], color="0.93", linewidth=0)
    lines = (
        (seen, "o-", "orange", "seen: few validation pictures"),
        (fresh, "s-", "blue", "fresh: test pictures, other samples"),
    )
    for column, marks, colour, label in lines:
        look = {"color": style.OKABE_ITO[colour], "markersize": 4, "linewidth": 1.2}
        axes.semilogy(table["step"], table[column], marks, label=label, **look)
    ring = {"markersize": 13, "fillstyle": "none", "markeredgewidth": 2.5}
    picks = ((seen, "o", "vermilion", "the pick, as seen"), (fresh, "s", "black", "the pick, fresh"))
    for column, mark, colour, label in picks:
        axes.plot(pick["step"], pick[column], mark, color=style.OKABE_ITO[colour], label=label, **ring)
    axes.set_xlabel("training step", fontsize=style.LABEL)
    axes.set_ylabel(unit, fontsize=style.LABEL)
    if title:
        axes.set_title(title, fontsize=style.LABEL, weight="bold")
    _finish(axes)
    return figure


def _finish(axes: Any) -> None:
    from aigc_lab.plots import SMALL, tidy

    tidy(axes)
    axes.legend(fontsize=SMALL, frameon=False)
