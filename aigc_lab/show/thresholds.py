"""Where to draw the line: a detector's scores against the truth, and the items on both sides.

Introduced in notebook 02.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aigc_lab.collect.dataset import Dataset
from aigc_lab.plots import as_pictures, draw_rows

_COLUMNS = 8


def threshold_picture(
    dataset: Dataset,
    findings: Any,
    threshold: float,
    truth_mask: Any = None,
    columns: int = _COLUMNS,
) -> Any:
    """The pictures on both sides of a threshold: those just dropped, and those just kept.

    Args:
        dataset: pictures.
        findings: a findings table made with a *lower* threshold, so that it holds both sides, or
            ``clean.near_duplicate_pairs``: an item that comes more than once counts at its best score.
            Where it has ``duplicate_of``, the picture that each one repeats stands under it.
        threshold: items that score at least this much are dropped.
        truth_mask: booleans ``(n,)``, where the truth is known: a title then says which are truly
            faulty, and the heading gives precision and recall.
        columns: pictures a row.

    Returns:
        The figure.

    Raises:
        ValueError: no pictures, findings that name items that the set does not have, or an empty table.
    """
    table = _checked(dataset, findings)
    table = table.sort_values("score", ascending=False, kind="stable").drop_duplicates("item")
    truth = None if truth_mask is None else np.asarray(truth_mask, dtype=bool)
    dropped, kept = table[table["score"] >= threshold], table[table["score"] < threshold]
    words = f"Threshold {threshold:.3g}: {len(dropped):,} of {len(dataset):,} items dropped"
    if truth is not None:
        hits = int(truth[dropped["item"].to_numpy()].sum())
        words += f", {hits:,} of them truly faulty"
        if len(dropped):
            words += f" (precision {hits / len(dropped):.3f}"
            words += f", recall {hits / truth.sum():.3f})" if truth.any() else ")"
    rows: list[list[Any]] = []
    titles: list[list[str]] = []
    heads: list[str] = []
    repeats = "duplicate_of" in table
    for head, part in (
        ("dropped,\nthe least sure", dropped.tail(columns)[::-1]),
        ("kept, the most\nsuspicious", kept.head(columns)),
    ):
        items = part["item"].to_numpy()
        rows.append([_one(dataset, item) for item in items] + [None] * (columns - len(items)))
        marks = ["" if truth is None else ("\nfaulty" if truth[item] else "\nsound") for item in items]
        told = [f"{score:.3g}{mark}" for score, mark in zip(part["score"], marks, strict=True)]
        titles.append(told + [""] * (columns - len(items)))
        heads.append(head)
        if repeats:
            firsts = part["duplicate_of"].to_numpy()
            rows.append([_one(dataset, item) for item in firsts] + [None] * (columns - len(items)))
            titles.append([""] * columns)
            heads.append("… repeats")
    return draw_rows(rows, titles, heads, words, None, words + ". Pictures on both sides of the line.")


def _one(dataset: Dataset, item: int) -> np.ndarray:
    return as_pictures(dataset.data[item : item + 1])[0]


def _checked(dataset: Dataset, findings: Any) -> Any:
    if dataset.modality != "images":
        raise ValueError(f"the threshold picture is for pictures; the data set holds {dataset.modality}")
    if not len(findings):
        raise ValueError("the findings are empty; run the detector with a lower threshold")
    if findings["item"].max() >= len(dataset):
        raise ValueError(
            f"the findings name item {findings['item'].max()}, but the set has {len(dataset)} items; "
            "give the set that the detector looked at"
        )
    return findings


def precision_recall_points(findings: Any, truth_mask: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds, precision and recall as the line moves from the surest finding to the least sure.

    Equal scores fall together: one point for each distinct score. Items that no finding names are never
    reached, so recall ends at the share of true items that the table holds.

    Args:
        findings: a findings table; an item found twice counts once, at its higher score.
        truth_mask: booleans ``(n,)``.

    Raises:
        ValueError: a mask without a true item, or shorter than the items found.
    """
    truth = np.asarray(truth_mask, dtype=bool)
    if not truth.any():
        raise ValueError("nothing is true in truth_mask, so recall is not a number; dial in some defects")
    table = findings.sort_values("score", ascending=False, kind="stable").drop_duplicates("item")
    items = table["item"].to_numpy()
    if len(items) and items.max() >= len(truth):
        raise ValueError(f"the findings name item {items.max()}, but truth_mask has {len(truth)} items")
    hits = np.cumsum(truth[items])
    last = np.flatnonzero(np.diff(table["score"].to_numpy(), append=-np.inf))
    return table["score"].to_numpy()[last], hits[last] / (last + 1), hits[last] / truth.sum()


def detector_curves(
    curves: Mapping[str, tuple[Any, Any]],
    chosen: Mapping[str, tuple[float, float]] | None = None,
    item_count: int | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Any:
    """Recall against false positives, one line for each detector.

    Args:
        curves: name to ``(findings, truth_mask)``.
        chosen: name to ``(false positives in a thousand sound items, recall)`` of the threshold in use.
        item_count: sound items; taken from each mask if None.
        title: a text above everything.
        alt: what the figure shows, in words.

    Raises:
        ValueError: no curves, or what ``precision_recall_points`` refuses.
    """
    from aigc_lab import plots as style

    if not curves:
        raise ValueError('there are no curves to draw; give {"name": (findings, truth_mask)}')
    drawn = {}
    for name, (findings, truth) in curves.items():
        _, precision, recall = precision_recall_points(findings, truth)
        sound = item_count or int((~np.asarray(truth, dtype=bool)).sum())
        true = int(np.asarray(truth, dtype=bool).sum())
        hits = recall * true
        false = np.where(precision > 0, hits / np.maximum(precision, 1e-12) - hits, 0)
        drawn[name] = (1000 * false / max(sound, 1), recall)
    words = alt or "Recall against false positives in a thousand sound items for " + ", ".join(drawn) + "."
    figure = style.new_figure(7.2, 4.2, words, layout="constrained")
    axes = figure.subplots()
    for number, (name, (false, recall)) in enumerate(drawn.items()):
        colour = style.SERIES[number % len(style.SERIES)]
        line = ("-", "--", "-.", ":")[number % 4]
        axes.plot(np.maximum(false, 0.05), recall, line, color=colour, label=name, linewidth=2.2)
        if chosen and name in chosen:
            at, height = chosen[name]
            axes.plot(
                [max(at, 0.05)],
                [height],
                "o",
                color=colour,
                markersize=11,
                markerfacecolor="white",
                markeredgewidth=2.5,
            )
    axes.set_xscale("log")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("false positives in 1,000 sound items (log scale)", size=style.LABEL)
    axes.set_ylabel("recall: share of the faulty found", size=style.LABEL)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=style.SMALL, loc="best")
    if title:
        axes.set_title(title, size=style.TITLE)
    return figure


def s_curve_picture(
    bands: int, rows: int, threshold: float = 0.8, similarities: Sequence[float] | None = None
) -> Any:
    """How likely locality-sensitive hashing makes a pair a candidate, against the pair's similarity.

    Args:
        bands: groups of hash values; one equal group makes a pair a candidate.
        rows: hash values a group.
        threshold: the Jaccard similarity from which pairs are wanted, drawn as a line.
        similarities: similarities of real pairs, drawn as a histogram behind the curve.

    Returns:
        The figure. The area right of the threshold above the curve is what is missed; the area left of
        it under the curve is what is compared in vain.

    Raises:
        ValueError: bands or rows below 1, or a threshold outside 0..1.
    """
    from aigc_lab import plots as style
    from aigc_lab.clean import text

    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be a similarity from 0 to 1, got {threshold}")
    grid = np.linspace(0, 1, 201)
    chance = np.asarray(text.s_curve(grid, bands, rows))
    at = float(np.interp(threshold, grid, chance))
    words = (
        f"{bands} bands of {rows} rows ({bands * rows} hash values): a pair at similarity {threshold:.2f} "
        f"becomes a candidate with probability {at:.3f}; at {threshold / 2:.2f} with "
        f"{float(np.interp(threshold / 2, grid, chance)):.3f}"
    )
    figure = style.new_figure(7.2, 4.0, words, layout="constrained")
    axes = figure.subplots()
    if similarities is not None and len(similarities):
        behind = axes.twinx()
        behind.hist(similarities, bins=np.linspace(0, 1, 41), color="#BBBBBB", alpha=0.6)
        behind.set_yscale("log")
        behind.set_ylabel("pairs (grey, log scale)", size=style.LABEL)
        axes.set_zorder(behind.get_zorder() + 1)
        axes.patch.set_visible(False)
    axes.plot(grid, chance, color=style.OKABE_ITO["blue"], linewidth=2.5)
    axes.fill_between(
        grid, chance, 1, where=grid >= threshold, color=style.OKABE_ITO["orange"], alpha=0.45, label="missed"
    )
    axes.fill_between(
        grid,
        0,
        chance,
        where=grid <= threshold,
        color=style.OKABE_ITO["green"],
        alpha=0.45,
        label="compared in vain",
    )
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1.2)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("Jaccard similarity of a pair", size=style.LABEL)
    axes.set_ylabel("chance to be a candidate", size=style.LABEL)
    axes.legend(fontsize=style.SMALL, loc="upper left")
    axes.set_title(f"{bands} bands × {rows} rows", size=style.TITLE)
    return figure
