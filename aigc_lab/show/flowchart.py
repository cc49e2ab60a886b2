"""The seven-stage diagram: the article's flowchart, which is the package's map too.

Introduced in notebook 00.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aigc_lab import STAGES

_CHINESE = {
    "collect": "收集",
    "clean": "清洗",
    "label": "标注",
    "augment": "增强",
    "train": "训练",
    "evaluate": "评估",
    "deploy": "部署",
    "defects": "缺陷旋钮",
    "models": "模型",
    "show": "展示",
    "metrics": "指标",
}
_BOX, _GAP, _HIGH, _TOP = 1.4, 0.36, 1.0, 0.3  # inches


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
    from matplotlib.patches import FancyBboxPatch

    from aigc_lab.show import figure as style

    chosen = [active] if isinstance(active, str) else list(active or ())
    for stage in chosen:
        if stage not in STAGES:
            raise ValueError(f"no stage named {stage!r}; the stages are {', '.join(STAGES)}")
    chinese = chinese and style.chinese_font("".join(sorted(set("".join(_CHINESE.values()))))) is not None
    words = f"The seven stages in a row, joined by arrows: {', '.join(STAGES)}. "
    words += "Below: the data-defect dial feeds in between collect and clean, "
    words += "models feed train, metrics feed evaluate."
    if chosen:
        words += f" Highlighted: {', '.join(chosen)}."
    figure = style.new_figure(2 * _GAP + 7 * _BOX + 6 * _GAP, 2.95, words)
    axes = style.blank_axes(figure)

    def box(left: float, top: float, width: float, height: float, name: str, shown: str, look: str) -> None:
        colours = {
            "stage": ("#EAF3FA", style.OKABE_ITO["blue"], 1.8),
            "active": (style.OKABE_ITO["orange"], "#000000", 3.2),
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
        size = style.TITLE if look != "helper" else style.LABEL
        middle, shift = top + height / 2, 0.18 if chinese else 0.0
        axes.text(left + width / 2, middle - shift, shown, size=size, weight=weight, ha="center", va="center")
        if chinese:
            axes.text(
                left + width / 2,
                middle + 0.2,
                _CHINESE[name],
                size=style.LABEL,
                ha="center",
                va="center",
                family=style.families(),
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

    lefts = [_GAP + number * (_BOX + _GAP) for number in range(len(STAGES))]
    for number, stage in enumerate(STAGES):
        box(lefts[number], _TOP, _BOX, _HIGH, stage, stage, "active" if stage in chosen else "stage")
        if number:
            arrow((lefts[number] - _GAP, _TOP + _HIGH / 2), (lefts[number], _TOP + _HIGH / 2))
    below, low = _TOP + _HIGH + 0.5, 0.8
    helpers = (
        ("defects", "defect dial", lefts[1] - 0.6 * _GAP, _TOP + _HIGH / 2 + 0.03),
        ("models", "models", lefts[4] + _BOX / 2, _TOP + _HIGH),
        ("metrics", "metrics", lefts[5] + _BOX / 2, _TOP + _HIGH),
    )
    for name, shown, middle, target in helpers:
        width = 1.6 if name == "defects" else _BOX
        box(middle - width / 2, below, width, low, name, shown, "helper")
        arrow((middle, below), (middle, target), dashed=name == "defects")
    return figure
