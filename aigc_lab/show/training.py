"""Where a training step's time goes, the roofline, rungs of a ladder, and what large models cost.

Introduced in notebook 12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aigc_lab import plots as charts
from aigc_lab.plots import LABEL, MARKERS, OKABE_ITO, SERIES, new_figure

_PARTS = (("data", "sky"), ("python", "orange"), ("inside", "blue"))
_WORDS = {"data": "waiting for data", "python": "Python", "inside": "inside TensorFlow"}


def step_parts(profiles: Mapping[str, Any], of: str | None = None) -> Any:
    """Milliseconds of a step, in parts; beside it the kernels of one of the profiles.

    Args:
        profiles: name to ``train.Profile``; of: whose kernels are shown, by default the last one's.

    Raises:
        ValueError: no profile, or one that is not there.
    """
    if not profiles:
        raise ValueError("there is no profile to draw; give at least one")
    of = of or list(profiles)[-1]
    if of not in profiles:
        raise ValueError(f"there is no profile {of!r}; there is {', '.join(profiles)}")
    kernels = profiles[of].kernels
    told = "; ".join(
        f"{name}: " + ", ".join(f"{_WORDS[part]} {getattr(each, part):.1f} ms" for part, _ in _PARTS)
        for name, each in profiles.items()
    )
    most = next(iter(kernels), "nothing")
    alt = f"Bars of one training step. {told}. Of the kernels of {of}, {most} take most."
    figure = new_figure(12, 1.6 + 0.75 * max(len(profiles), len(kernels) * 0.6), alt, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    for row, each in enumerate(profiles.values()):
        start = 0.0
        for part, colour in _PARTS:
            value = getattr(each, part)
            label = _WORDS[part] if row == 0 else None
            left.barh(row, value, left=start, color=OKABE_ITO[colour], label=label, height=0.6)
            start += value
        left.text(start, row, f" {each.step:.1f}", va="center", fontsize=13)
    left.set_yticks(range(len(profiles)), list(profiles), fontsize=13)
    left.invert_yaxis()
    left.margins(x=0.12)
    left.legend(fontsize=12, loc="lower right", frameon=False)
    names = list(kernels)
    right.barh(range(len(names)), list(kernels.values()), color=OKABE_ITO["green"], height=0.6)
    right.set_yticks(range(len(names)), names, fontsize=13)
    right.invert_yaxis()
    tidy(left, "milliseconds a step", "", "One step in parts")
    tidy(right, "ms a step, all threads", "", f"Kernels of: {of}")
    return figure


def roofline_picture(roof: Any, points: Mapping[str, tuple[float, float]]) -> Any:
    """The roof of a machine, and where trainings lie below it.

    Args:
        roof: a ``train.Roofline``; points: name to (operations a byte, operations a second).
    """
    told = ", ".join(f"{name} at {rate / 1e9:.0f}" for name, (_, rate) in points.items())
    alt = (
        f"The roofline: it rises to {roof.flops / 1e9:.0f} billion operations a second at {roof.ridge:.1f} "
        f"operations a byte and is flat from there. Below it, in billions a second: {told}."
    )
    figure = new_figure(9, 5.2, alt, layout="constrained")
    axes = figure.subplots()
    across = np.geomspace(0.1, 100, 200)
    axes.loglog(across, [roof.attainable(each) / 1e9 for each in across], color="black", linewidth=2.5)
    axes.axvline(roof.ridge, color="#999999", linestyle=":", linewidth=1.5)
    for number, (name, (intensity, rate)) in enumerate(points.items()):
        share = rate / roof.attainable(intensity)
        look = {"marker": MARKERS[number % len(MARKERS)], "color": SERIES[number % len(SERIES)]}
        axes.plot(
            intensity,
            rate / 1e9,
            markersize=12,
            linestyle="",
            label=f"{name}: {share:.0%} of the roof",
            **look,
        )
    axes.legend(fontsize=12, loc="lower right")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.xaxis.set_major_formatter("{x:g}")
    tidy(
        axes,
        "operations for each byte",
        "billion operations a second",
        "What the machine allows, and what is reached",
    )
    return figure


def ladder_picture(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> Any:
    """Milliseconds a step after each cure: a panel for each net, a bar for each rung, on a log scale.

    Args:
        measured: net to rung to the milliseconds of each round; a bar is the median, a line the quartiles,
            the number at its end says how many times as fast as the rung before.
    """
    told = []
    for net, rungs in measured.items():
        middle = [float(np.median(values)) for values in rungs.values()]
        told.append(f"{net} from {middle[0]:.1f} to {min(middle):.1f} ms")
    figure = new_figure(
        13,
        1.4 + 0.62 * max(map(len, measured.values())),
        f"Bars on a log scale, milliseconds a step after each cure: {', '.join(told)}.",
        layout="constrained",
    )
    panels = figure.subplots(1, len(measured), squeeze=False)[0]
    for axes, (net, rungs) in zip(panels, measured.items(), strict=True):
        before = None
        for row, values in enumerate(rungs.values()):
            low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
            axes.barh(row, middle, color=SERIES[0], height=0.62)
            axes.plot([low, high], [row, row], color="black", linewidth=2)
            ratio = "" if before is None else f"  {np.median(np.divide(before, values)):.2f} x"
            axes.text(high, row, f" {middle:.3g} ms{ratio}", va="center", fontsize=12)
            before = values
        axes.set_xscale("log")
        axes.set_yticks(range(len(rungs)), list(rungs), fontsize=12)
        axes.invert_yaxis()
        axes.margins(x=0.45)
        tidy(axes, "milliseconds a step (log scale)", "", net)
    return figure


def large_cost_picture(
    log10_weights: float = 9.0, tokens_per_parameter: float = 20.0, gpus: float = 8.0, use: float = 0.4
) -> Any:
    """Days and megawatt-hours of one training of a large language model, against its size.

    Six operations for each weight and each token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1), on GPUs
    of 989 * 10^12 operations a second and 700 W (NVIDIA's data sheet of the H100 SXM, bfloat16 without
    sparsity), at ``use`` of their peak.

    Args:
        log10_weights: base-10 logarithm of the number of weights.
        tokens_per_parameter: about 20 is where a fixed budget is spent best (Hoffmann et al. 2022, arXiv
            2203.15556).
        gpus: how many; use: 0 to 1.
    """
    weights = np.geomspace(1e6, 1e12, 100)

    def seconds(count: Any) -> Any:
        return 6 * count * count * tokens_per_parameter / (989e12 * use)  # of one GPU

    days = seconds(weights) / gpus / 86400
    chosen = 10**log10_weights
    wait, spent = seconds(chosen) / gpus / 86400, seconds(chosen) * 700 / 3.6e9
    alt = (
        f"A straight line on log scales: days of training against weights, slope 2. At {chosen:.1e} weights "
        f"and {gpus:.0f} GPUs it takes {wait:,.3g} days and {spent:,.3g} megawatt-hours."
    )
    figure = new_figure(9, 5, alt, layout="constrained")
    axes = figure.subplots()
    axes.loglog(weights, days, color=SERIES[0], linewidth=2.5)
    axes.plot(chosen, wait, marker="o", markersize=13, color=OKABE_ITO["vermilion"])
    axes.set_ylim(1e-8, 1e7)
    for limit, name in ((1 / 1440, "a minute"), (1, "a day"), (365, "a year")):
        axes.axhline(limit, color="#999999", linestyle=":", linewidth=1.2)
        axes.text(1.2e6, limit * 1.3, name, fontsize=11, color="#555555")
    title = f"{chosen:.1e} weights, {gpus:.0f} GPUs: {wait:,.3g} days, {spent:,.3g} MWh"
    tidy(axes, "weights of the model", "days of training", title)
    return figure


def tidy(axes: Any, across: str, up: str, title: str) -> None:
    charts.tidy(axes)
    axes.set_xlabel(across, fontsize=LABEL)
    axes.set_ylabel(up, fontsize=LABEL)
    axes.set_title(title, fontsize=LABEL, weight="bold")
