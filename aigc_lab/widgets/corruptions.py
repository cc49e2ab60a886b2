"""The data-defect dial as a widget: set rates, see what they do to the same pictures.

Introduced in notebook 00.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np

from aigc_lab import corrupt
from aigc_lab.collect.dataset import Dataset
from aigc_lab.corrupt.checks import checked_rates
from aigc_lab.plots import as_pictures, draw_rows
from aigc_lab.widgets.latent import DescribedImage, error_text

_SAMPLE = 200  # pictures the preview works on: enough for a rate of 0.5 %, and quick to damage


def preview_sample(dataset: Dataset, seed: int = 0, size: int = _SAMPLE) -> Dataset:
    """The pictures the preview works on: ``size`` items drawn once, the same at every rate."""
    if dataset.modality != "images":
        raise ValueError(f"the preview is for pictures; the data set holds {dataset.modality}")
    if not len(dataset):
        raise ValueError("the data set is empty; the preview needs at least one picture")
    return dataset[np.random.default_rng(seed).permutation(len(dataset))[:size]]


def corruption_preview(
    dataset: Dataset, rates: Mapping[str, float], seed: int = 0, columns: int = 8, title: str | None = None
) -> Any:
    """The same pictures before and after the apply, and what the dial added.

    The dial is set on a sample of at most 200 items, so that a rate shows at its true
    frequency: at a rate of 0.1 about one picture in ten is hit.

    Args:
        dataset: pictures.
        rates: defect name to rate in [0, 1].
        seed: seed of the sample and of the dial.
        columns: pictures a row.
        title: a text above everything.

    Returns:
        The figure: two pairs of rows before and after, with changed items named, and a row
        of added items (copies, junk) when there are any.

    Raises:
        ValueError: no pictures, or rates that ``corrupt.dial`` refuses.
    """
    return _draw(preview_sample(dataset, seed), rates, seed, columns, title)[0]


def _draw(
    sample: Dataset, rates: Mapping[str, float], seed: int, columns: int, title: str | None
) -> tuple[Any, Any]:
    """The figure and the ledger."""
    dirty, ledger = corrupt.apply(sample, rates, seed)
    before, after = as_pictures(sample), as_pictures(dirty) if len(dirty) else []
    columns = max(1, min(columns, len(before)))
    stands_at: dict[int, int] = {}
    for item, source in enumerate(ledger.sources.tolist()):
        stands_at.setdefault(source, item)  # copies stand behind the item they copy
    told: dict[int, list[str]] = {}
    for row in ledger.table.itertuples():
        if not row.inherited:
            told.setdefault(row.item, []).append(
                row.detail if row.defect == "label_flip" else _words(row.defect)
            )
    rows: list[list[Any]] = []
    titles: list[list[str]] = []
    heads: list[str] = []
    for start in (0, columns):
        shown = range(start, min(start + columns, len(before)))
        if not shown:
            continue
        items = [stands_at.get(source) for source in shown]
        rows += [
            [before[source] for source in shown],
            [None if item is None else after[item] for item in items],
        ]
        titles.append([_name(sample, source) for source in shown])
        titles.append(["dropped" if item is None else "\n".join(told.get(item, [""])) for item in items])
        heads += ["before", "after"]
    first_added = len(np.unique(ledger.sources[ledger.sources >= 0]))
    added = list(range(first_added, len(dirty)))
    # A few of each kind, instead of the first kind only.
    kinds: dict[str, list[int]] = {}
    for item in added:
        kinds.setdefault(told[item][0], []).append(item)
    turns = (group[turn] for turn in range(columns) for group in kinds.values() if turn < len(group))
    picked = sorted([item for _, item in zip(range(columns), turns, strict=False)])
    if picked:
        rows.append([after[item] for item in picked])
        titles.append([told[item][0] for item in picked])
        heads.append(f"added\n({len(picked)} of {len(added)})")
    hit = sum(1 for source in range(min(2 * columns, len(before))) if told.get(stands_at.get(source, -1)))
    words = f"{min(2 * columns, len(before))} pictures before and after the defect dial; {hit} of them are "
    words += "changed."
    if added:
        words += f" {len(added)} items are added to {len(sample)}."
    return draw_rows(rows, titles, heads, title, None, words), ledger


def _name(dataset: Dataset, item: int) -> str:
    return "" if dataset.labels is None else dataset.class_names[dataset.labels[item]]


def _words(defect: str) -> str:
    return defect.replace("_", " ")


class CorruptionExplorer(widgets.VBox):
    """The widget that ``corruption_explorer`` returns.

    Attributes:
        sliders: defect name to its ``FloatSlider``.
        image: the preview.
        message: the ledger's counts in words, or what went wrong.
        reset_button: sets every rate to what it was at the start.
        error: the last exception of a callback, or None.
    """

    def __init__(
        self, dataset: Dataset, rates: Mapping[str, float], names: tuple[str, ...], seed: int, columns: int
    ):
        self._sample, self._count = preview_sample(dataset, seed), len(dataset)
        self._seed, self._columns, self._start = (
            seed,
            columns,
            {name: float(rates.get(name, 0)) for name in names},
        )
        self.error: Exception | None = None
        self._busy = False
        self.sliders = {
            name: widgets.FloatSlider(
                value=rate,
                min=0.0,
                max=max(0.5, rate),
                step=0.01,
                description=_words(name),
                tooltip=f"Rate of the defect {_words(name)}: share of the items, 0 to 0.5",
                readout_format=".0%",
                continuous_update=False,  # a preview takes longer than a step of the mouse
                style={"description_width": "110px"},
                layout={"width": "360px"},
            )
            for name, rate in self._start.items()
        }
        self.reset_button = widgets.Button(
            description="Reset", icon="undo", tooltip="Set every rate to what it was at the start"
        )
        # The first preview is made outside a callback: what fails here fails in the cell, in full view.
        self.image = DescribedImage(format="png", layout={"max_width": "100%", "object_fit": "contain"})
        self.message = widgets.HTML()
        self._refresh()
        for slider in self.sliders.values():
            slider.observe(self._moved, "value")
        self.reset_button.on_click(self._reset)
        panel = widgets.Box(list(self.sliders.values()), layout={"flex_flow": "row wrap"})
        super().__init__([panel, self.reset_button, self.message, self.image])

    @property
    def rates(self) -> dict[str, float]:
        """The chosen rates above 0, ready for ``corrupt.dial``."""
        return {name: round(slider.value, 4) for name, slider in self.sliders.items() if slider.value > 0}

    def _reset(self, _: Any) -> None:
        self._busy = True
        try:
            for name, slider in self.sliders.items():
                slider.value = self._start[name]
        finally:
            self._busy = False
        self._moved(None)

    def _moved(self, change: Any) -> None:
        if self._busy:
            return
        try:
            self._refresh()
            self.error = None
        except Exception as error:  # shown in the widget: Jupyter hides what a callback raises
            self.error = error
            self.message.value = error_text("The preview was not updated", error)

    def _refresh(self) -> None:
        rates = self.rates
        figure, ledger = _draw(self._sample, rates, self._seed, self._columns, None)
        try:
            self.image.value = figure.png()
        finally:
            plt.close(figure)
        self.image.tooltip = figure.alt
        counts = [f"{_words(name)} {count}" for name, count in ledger.counts().items()]
        told = ", ".join(counts) if counts else "no defect is set"
        text = f"In this preview of {len(self._sample)} of {self._count} items: {told}."
        self.message.value = f'<div role="status">{html.escape(text)}</div>'


def corruption_explorer(
    dataset: Dataset,
    rates: Mapping[str, float] | None = None,
    names: tuple[str, ...] | None = None,
    seed: int = 0,
    columns: int = 8,
) -> CorruptionExplorer:
    """A slider for each defect, the same pictures before and after, and the ledger's counts.

    Args:
        dataset: pictures; it stays as it is.
        rates: the rates to start from.
        names: the defects to show; by default all that fit (without labels, those that need none).
        seed: seed of the sample and of the dial.
        columns: pictures a row.

    Returns:
        The widget. Read ``.rates`` in a later cell: ``corrupt.apply(dataset, widget.rates, seed)``.

    Raises:
        ValueError: no pictures, an unknown defect, or a rate outside [0, 1].
    """
    if names is None:
        labelled = dataset.labels is not None and len(dataset.class_names) > 1
        names = tuple(name for name in corrupt.IMAGE_CORRUPTIONS if labelled or name not in ("imbalance", "label_flip"))
    rates = dict(rates or {})
    # The dial's own checks, before a slider clips a rate: the same sentence wherever a bad one is met.
    checked_rates(dict.fromkeys(names, 0.0) | rates, corrupt.IMAGE_CORRUPTIONS)
    names = (*names, *(name for name in rates if name not in names))
    return CorruptionExplorer(dataset, rates, names, seed, columns)
