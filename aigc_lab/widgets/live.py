"""What every widget here does, and a figure that follows sliders: the widget around any function that draws.

Introduced in notebook 02.
"""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import traitlets
from PIL import Image


class DescribedImage(widgets.Image):
    """An ``ipywidgets.Image`` whose ``tooltip`` becomes the image's name for screen readers.

    ipywidgets' JavaScript (8.1) asks each widget with a tooltip for the length of its description,
    and fails to draw an image, which has none (jupyter-widgets/ipywidgets#3860); an empty one helps.
    """

    description = traitlets.Unicode("").tag(sync=True)


def png(pixels: np.ndarray, size: int = 0, smoothing: Image.Resampling = Image.Resampling.NEAREST) -> bytes:
    """``uint8`` pixels as the bytes of a PNG file; with ``size``, the longer side becomes so many pixels."""
    image = Image.fromarray(pixels)
    if size:
        scale = size / max(image.size)
        image = image.resize([max(1, round(side * scale)) for side in image.size], smoothing)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def button(words: str, tooltip: str, does: Callable[[], Any], **look: Any) -> widgets.Button:
    """A button that does something without being told which button it is."""
    made = widgets.Button(description=words, tooltip=tooltip, **look)
    made.on_click(lambda _: does())
    return made


def error_text(what: str, error: BaseException) -> str:
    """A callback's error as HTML that is seen and read aloud: Jupyter hides what a callback raises."""
    kind = html.escape(f"{type(error).__name__}: {error}")
    style = "color: #B00020; border-left: 4px solid #B00020; padding-left: 8px; white-space: normal"
    return f'<div role="alert" style="{style}"><b>{html.escape(what)}</b> {kind}</div>'


class Speaking:
    """A widget that says in words what it shows, or what went wrong; screen readers read it aloud.

    Attributes:
        message: the words, as HTML.
        error: the last exception of a callback, or None.
    """

    def __init__(self, **options: Any) -> None:
        self.message, self.error = widgets.HTML(), None
        super().__init__(**options)

    def say(self, *said: str, before: str = "", after: str = "") -> None:
        """Show texts, each of which is translated by itself, with some HTML before or after them."""
        words = " ".join(f"<span>{html.escape(each)}</span>" for each in said)
        status = f'<div role="status" style="white-space: normal">{words}</div>'
        self.message.value = before + status + after

    def attempt(self, what: str, *actions: Callable[[], Any]) -> None:
        """Do one thing after the other in a callback; if one fails, ``what`` says what did not happen."""
        try:
            for action in actions:
                action()
            self.error = None
        except Exception as error:
            self.error = error
            self.message.value = error_text(what, error)


class LiveFigure(Speaking, widgets.VBox):
    """Sliders above a figure that is drawn anew whenever one is moved.

    Args:
        draw: a function of the sliders' values that returns a figure of ``aigc_lab.plots``.
        ranges: for each argument of ``draw``: lowest, highest, step and start. Four whole numbers make a
            slider of whole numbers. Texts make a list to choose from; the first is chosen at the start. A
            single text makes a field to write in.

    Attributes:
        sliders: argument name to its slider; values: what they are set to.
        image: the figure as an image; its ``tooltip`` says in words what it shows, and so does ``message``.

    Raises:
        ValueError: no slider, or numbers out of order. What ``draw`` raises at the start is raised here.
    """

    def __init__(self, draw: Callable[..., Any], **ranges: Sequence[Any]) -> None:
        if not ranges:
            raise ValueError("a live figure needs at least one slider, such as threshold=(0, 1, 0.01, 0.5)")
        super().__init__()
        self._draw = draw
        self.sliders = {name: _control(name, values) for name, values in ranges.items()}
        self.image = DescribedImage(format="png", layout={"max_width": "100%", "object_fit": "contain"})
        # The first figure is drawn outside a callback: what fails here fails in the cell, in full view.
        self._refresh()
        for slider in self.sliders.values():
            slider.observe(lambda _: self.attempt("The figure was not updated.", self._refresh), "value")
        panel = widgets.Box(list(self.sliders.values()), layout={"flex_flow": "row wrap"})
        self.children = [panel, self.message, self.image]

    @property
    def values(self) -> dict[str, Any]:
        """What the sliders are set to, by argument name."""
        return {name: slider.value for name, slider in self.sliders.items()}

    def _refresh(self) -> None:
        figure = self._draw(**self.values)
        try:
            self.image.value = figure.png()
        finally:
            plt.close(figure)
        self.image.tooltip = figure.alt
        self.say(figure.alt)


def _control(name: str, values: Sequence[Any]) -> Any:
    """A slider for numbers, a list to choose from for texts, a field to write in for one text."""
    words = name.replace("_", " ")
    look = {
        "description": words,
        "style": {"description_width": "initial"},
        "layout": {"width": "420px"},
    }
    if isinstance(values, str):
        return widgets.Text(value=values, tooltip=words, continuous_update=False, **look)
    if isinstance(values[0], str):
        options = [(value.replace("_", " "), value) for value in values]
        return widgets.Dropdown(options=options, tooltip=f"{words}: {', '.join(values)}", **look)
    low, high, step, start = values
    if not low <= start <= high or step <= 0 or low == high:
        raise ValueError(
            f"{name} needs (lowest, highest, step, start) in that order, got {(low, high, step, start)}"
        )
    whole = all(float(number).is_integer() for number in values)
    # Digits after the point: as many as the step has.
    digits = 0 if whole else max(1, len(f"{step:.6f}".rstrip("0").split(".")[1]))
    return (widgets.IntSlider if whole else widgets.FloatSlider)(
        value=start,
        min=low,
        max=high,
        step=step,
        tooltip=f"{words}, from {low:g} to {high:g}",
        readout_format="d" if whole else f".{digits}f",
        continuous_update=False,  # a figure takes longer than a step of the mouse
        **look,
    )
