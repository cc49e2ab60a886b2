"""Corruption as a widget: set rates, see what they do to the same images. Introduced in notebook 00."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from aigc_lab import corrupt
from aigc_lab.collect.dataset import Dataset
from aigc_lab.corrupt.images import checked_rates
from aigc_lab.plots import as_images, draw_rows
from aigc_lab.widgets.live import LiveFigure

_SAMPLE = 200  # images the preview works on: enough for a rate of 0.5 %, and quick to damage
_COLUMNS = 8


def corruption_preview(dataset: Dataset, rates: Mapping[str, float], seed: int = 0) -> Any:
    """The same images before and after ``corrupt.apply``, and what was added.

    A sample of at most 200 items is corrupted, drawn once by the seed, so that a rate shows at its true
    frequency: at a rate of 0.1 about one image in ten is hit.

    Args:
        dataset: images; it stays as it is.
        rates: corruption name to rate in [0, 1].
        seed: seed of the sample and of the corruption.

    Returns:
        The figure: two pairs of rows before and after, with changed items named, and a row
        of added items (copies, junk) when there are any. Its ``alt`` has the counts of the corruption log.

    Raises:
        ValueError: no images, or rates that ``corrupt.apply`` refuses.
    """
    if dataset.modality != "images":
        raise ValueError(f"the preview is for images; the data set holds {dataset.modality}")
    if not len(dataset):
        raise ValueError("the data set is empty; the preview needs at least one image")
    sample = dataset[np.random.default_rng(seed).permutation(len(dataset))[:_SAMPLE]]
    dirty, log = corrupt.apply(sample, rates, seed)
    before, after = as_images(sample), as_images(dirty) if len(dirty) else []
    stands_at: dict[int, int] = {}
    for item, source in enumerate(log.sources.tolist()):
        stands_at.setdefault(source, item)  # copies stand behind the item they copy
    told: dict[int, list[str]] = {}
    for row in log.table[~log.table["inherited"].to_numpy(bool)].itertuples():
        words = row.detail if row.corruption == "label_flip" else row.corruption.replace("_", " ")
        told.setdefault(row.item, []).append(words)

    rows: list[list[Any]] = []
    titles: list[list[str]] = []
    heads: list[str] = []
    shown = range(min(2 * _COLUMNS, len(sample)))
    for sources in filter(len, (shown[:_COLUMNS], shown[_COLUMNS:])):
        items = [stands_at.get(source) for source in sources]
        rows.append([before[source] for source in sources])
        titles.append(
            ["" if sample.labels is None else sample.class_names[sample.labels[one]] for one in sources]
        )
        rows.append([None if item is None else after[item] for item in items])
        titles.append(["dropped" if item is None else "\n".join(told.get(item, [""])) for item in items])
        heads += ["before", "after"]
    added = range(len(np.unique(log.sources[log.sources >= 0])), len(dirty))
    picked = _some_of_each(added, told)
    if picked:
        rows.append([after[item] for item in picked])
        titles.append([told[item][0] for item in picked])
        heads.append(f"added\n({len(picked)} of {len(added)})")

    hit = sum(1 for source in shown if told.get(stands_at.get(source, -1)))
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in log.counts().items())
    alt = (
        f"{len(shown)} images before and after corruption; {hit} of them are changed. "
        f"Of the {len(sample)} in this preview: {counts or 'no corruption is set'}."
    )
    return draw_rows(rows, titles, heads, None, None, alt)


def _some_of_each(added: range, told: Mapping[int, list[str]]) -> list[int]:
    """As many of the added items as a row holds: some of each kind, instead of the first kind only."""
    kinds: dict[str, list[int]] = {}
    for item in added:
        kinds.setdefault(told[item][0], []).append(item)
    in_turn = [group[turn] for turn in range(_COLUMNS) for group in kinds.values() if turn < len(group)]
    return sorted(in_turn[:_COLUMNS])


class CorruptionExplorer(LiveFigure):
    """A slider for each corruption that fits, the same images before and after, and the counts.

    Read ``.rates`` in a later cell: ``corrupt.apply(dataset, widget.rates, seed)``.

    Args:
        dataset: images; it stays as it is.
        rates: the rates to start from.
        seed: seed of the sample and of the corruption.

    Raises:
        ValueError: no images, an unknown corruption, or a rate outside [0, 1].
    """

    def __init__(self, dataset: Dataset, rates: Mapping[str, float] | None = None, seed: int = 0) -> None:
        start = checked_rates(rates or {}, corrupt.IMAGE_CORRUPTIONS)
        if dataset.labels is None or len(dataset.class_names) < 2:
            start = {name: rate for name, rate in start.items() if name not in ("imbalance", "label_flip")}
        super().__init__(
            lambda **_: corruption_preview(dataset, self.rates, seed),
            **{name: (0, max(0.5, rate), 0.01, rate) for name, rate in start.items()},
        )

    @property
    def rates(self) -> dict[str, float]:
        """The chosen rates above 0, ready for ``corrupt.apply``."""
        return {name: round(rate, 4) for name, rate in self.values.items() if rate > 0}
