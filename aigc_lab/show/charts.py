"""Training curves, and scores with their intervals and floor. Introduced in notebook 00."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

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
    from aigc_lab.show import figure as style

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
    figure = style.new_figure(max(6.0, 4.0 * columns), 3.8 * rows + 0.6, words, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    lines = {}
    for metric, axes in zip(metrics, panels, strict=False):
        for number, (run, table) in enumerate(runs.items()):
            look = {
                "color": style.SERIES[number % len(style.SERIES)],
                "marker": style.MARKERS[number % len(style.MARKERS)],
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
        axes.set_title(name, fontsize=style.LABEL, weight="bold")
        axes.set_xlabel(axis, fontsize=style.LABEL)
        axes.set_ylabel(unit or name, fontsize=style.LABEL)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _tidy(axes)
    for axes in panels[len(metrics) :]:
        axes.remove()
    if title:
        figure.suptitle(title, fontsize=style.TITLE, weight="bold", family=style.families())
    # Filled column by column: with several runs, each run is a column with its validation below its training.
    widest = max(style.text_width(label, style.SMALL) for label in lines) + 0.9
    fitting = max(1, int(figure.get_figwidth() / widest))
    figure.legend(
        lines.values(),
        lines.keys(),
        loc="outside lower center",
        ncols=min(fitting, len(runs) if len(runs) > 1 else len(lines)),
        frameon=False,
        handlelength=3,
        prop={"family": style.families(), "size": style.SMALL},
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
    from aigc_lab.show import figure as style

    panels = _panels(table)
    longest = max(len(str(name)) for group in panels.values() for name in group)
    most = max(map(len, panels.values()))
    words, width = [], 4.2 * len(panels) + 0.5 + 0.11 * longest
    figure = style.new_figure(
        max(6.5, width), 1.6 + 0.55 * most + (0.4 if title else 0), "", layout="constrained"
    )
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (metric, group) in zip(all_axes, panels.items(), strict=True):
        band = floor.get(metric) if isinstance(floor, Mapping) else floor
        if band is not None:
            low, high = _interval(band)
            axes.axvspan(low, high, color=style.OKABE_ITO["sky"], alpha=0.45, linewidth=0)
            # A tight floor may be thinner than a pixel: a dashed line in its middle stays visible.
            axes.axvline((low + high) / 2, color=style.OKABE_ITO["blue"], linestyle="--", linewidth=1.5)
            words.append(f"{metric} floor {low:.3g} to {high:.3g}".strip())
        for number, (name, (value, low, high)) in enumerate(group.items()):
            reach = [[value - low], [high - value]] if math.isfinite(low) and math.isfinite(high) else None
            axes.errorbar(
                value,
                number,
                xerr=reach,
                fmt=style.MARKERS[number % len(style.MARKERS)],
                markersize=10,
                capsize=6,
                color=style.SERIES[number % len(style.SERIES)],
                elinewidth=2.5,
                capthick=2.5,
            )
            axes.annotate(
                f"{value:.3g}",
                (value, number),
                (0, 9),
                textcoords="offset points",
                ha="center",
                size=style.SMALL,
            )
            words.append(f"{metric} {name} {value:.3g} ({low:.3g} to {high:.3g})".strip())
        axes.set_yticks(range(len(group)), [str(name) for name in group], family=style.families())
        axes.set_ylim(len(group) - 0.5, -0.7)
        label = unit.get(metric, metric) if isinstance(unit, Mapping) else (unit or metric)
        axes.set_xlabel(label, fontsize=style.LABEL)
        _tidy(axes)
        axes.grid(False, axis="y")
        axes.margins(x=0.12)
    bands = [axes.patches[0] for axes in all_axes if axes.patches]  # the panels that have a floor
    if bands:
        figure.legend(
            bands[:1],
            ["floor: real against real pictures"],
            loc="outside lower center",
            frameon=False,
            fontsize=style.SMALL,
        )
    if title:
        figure.suptitle(title, fontsize=style.TITLE, weight="bold", family=style.families())
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


def _tidy(axes: Any) -> None:
    from aigc_lab.show.figure import SMALL

    axes.tick_params(labelsize=SMALL)
    axes.grid(True, color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
