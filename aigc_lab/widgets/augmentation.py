"""A transform against its strength, with the pictures: where does the label get lost? Notebook 04."""

from __future__ import annotations

import html
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt

from aigc_lab.augment.pictures import TRANSFORMS, changed, layers
from aigc_lab.collect.dataset import Dataset
from aigc_lab.plots import as_pictures, draw_rows
from aigc_lab.widgets.latent import DescribedImage, error_text

_SWITCHES = ("flip", "upside_down")  # done or not done: they have no strength


def augment_preview(
    dataset: Dataset, transform: str = "rotation", strength: float = 0.1, rows: int = 3, seed: int = 0
) -> Any:
    """The first ten pictures, and ``rows`` random changes of each by one transform.

    Args:
        dataset: pictures; labelled ones have their class above.
        transform: one of ``augment.TRANSFORMS``.
        strength: 0 to 0.5, see ``augment.layers``; without effect on the two mirrors.
        rows: how many changed versions to draw.
        seed: of the changes.

    Returns:
        The figure.

    Raises:
        ValueError: no pictures, an unknown transform, or a strength outside its range.
    """
    if transform not in TRANSFORMS:
        raise ValueError(f"there is no transform {transform!r}; choose one of {', '.join(TRANSFORMS)}")
    shown = dataset[:10]
    originals = as_pictures(shown)
    names = [""] * len(shown)
    if shown.labels is not None:
        names = [shown.class_names[label] for label in shown.labels]
    if transform in _SWITCHES or strength:
        setting = transform in _SWITCHES or strength
        made = layers(**{"flip": False, transform: setting}, seed=seed)
        versions = [as_pictures(changed(shown, made, seed + row)) for row in range(rows)]
    else:
        versions = [originals] * rows
    amount = "" if transform in _SWITCHES else f", strength {strength:.2f}"
    words = f"{len(shown)} pictures, and below each {rows} random changes by {transform}{amount}."
    titles = [names, *[[""] * len(shown)] * rows]
    heads = ["as it is", *[f"changed {row + 1}" for row in range(rows)]]
    return draw_rows([originals, *versions], titles, heads, None, None, words)


class AugmentExplorer(widgets.VBox):
    """The widget that ``augment_explorer`` returns.

    Attributes:
        choice: the transform, a ``Dropdown``.
        strength: its strength, a ``FloatSlider``.
        image: the preview.
        message: what the transform does, where the label survives and where not.
        error: the last exception of a callback, or None.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset, self._seed = dataset[:10], seed
        self.error: Exception | None = None
        self.choice = widgets.Dropdown(
            options=[(name.replace("_", " "), name) for name in TRANSFORMS],
            value="rotation",
            description="transform",
            tooltip="Which change is made",
        )
        self.strength = widgets.FloatSlider(
            value=0.1,
            min=0.0,
            max=0.5,
            step=0.02,
            description="strength",
            tooltip="How strong the change may be, 0 to 0.5",
            continuous_update=False,
        )
        self.image = DescribedImage(format="png", layout={"max_width": "100%", "object_fit": "contain"})
        self.message = widgets.HTML()
        # The first picture is made outside a callback: what fails here fails in the cell, in full view.
        self._refresh()
        for control in (self.choice, self.strength):
            control.observe(self._moved, "value")
        controls = widgets.Box([self.choice, self.strength], layout={"flex_flow": "row wrap"})
        super().__init__([controls, self.message, self.image])

    def _moved(self, _: Any) -> None:
        try:
            self._refresh()
            self.error = None
        except Exception as error:  # shown in the widget: Jupyter hides what a callback raises
            self.error = error
            self.message.value = error_text("The preview was not updated", error)

    def _refresh(self) -> None:
        name = self.choice.value
        self.strength.disabled = name in _SWITCHES
        figure = augment_preview(self._dataset, name, round(self.strength.value, 2), seed=self._seed)
        try:
            self.image.value = figure.png()
        finally:
            plt.close(figure)
        self.image.tooltip = figure.alt
        does, keeps, loses = TRANSFORMS[name]
        text = f"{name.replace('_', ' ')}: {does}. Label kept: {keeps}. At risk: {loses}."
        self.message.value = f'<div role="status">{html.escape(text)}</div>'


def augment_explorer(dataset: Dataset, seed: int = 0) -> AugmentExplorer:
    """A transform and its strength under your fingers, with the first ten pictures of the set.

    Raises:
        ValueError: no pictures.
    """
    return AugmentExplorer(dataset, seed)
