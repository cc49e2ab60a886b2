"""The live figure: it follows its sliders, tells its words, and shows what goes wrong."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from aigc_lab import plots, widgets


@pytest.fixture(autouse=True)
def no_figure_piles_up():
    yield
    plt.close("all")


def _drawn(bands=4, level=0.5):
    figure = plots.new_figure(2, 2, alt=f"{bands} bands at {level}")
    figure.subplots().imshow(np.full((8, 8), level), vmin=0, vmax=1)
    if level > 0.9:
        raise ValueError("too bright; choose less")
    return figure


def test_a_live_figure_follows_its_sliders_and_shows_errors():
    widget = widgets.live_figure(_drawn, bands=(1, 8, 1, 4), level=(0.0, 1.0, 0.05, 0.5))
    assert widget.values == {"bands": 4, "level": 0.5}
    first = widget.image.value
    widget.sliders["level"].value = 0.8
    assert widget.image.value != first
    assert widget.image.tooltip == "4 bands at 0.8"
    assert "4 bands at 0.8" in widget.message.value
    widget.sliders["level"].value = 0.95
    assert "too bright" in widget.message.value and isinstance(widget.error, ValueError)
    widget.sliders["level"].value = 0.2
    assert widget.error is None and "at 0.2" in widget.message.value


def test_a_live_figure_refuses_bad_ranges():
    with pytest.raises(ValueError, match="at least one slider"):
        widgets.live_figure(_drawn)
    with pytest.raises(ValueError, match="lowest, highest, step, start"):
        widgets.live_figure(_drawn, level=(0, 1, 0.1, 3))


def test_a_live_figure_takes_a_list_of_texts():
    asked = []

    def draw(corruption, severity):
        asked.append((corruption, severity))
        return plots.new_figure(1, 1, f"{corruption} {severity}")

    live = widgets.live_figure(draw, corruption=("label_flip", "noise"), severity=(0.0, 1.0, 0.1, 0.5))
    assert live.values == {"corruption": "label_flip", "severity": 0.5}
    live.sliders["corruption"].value = "noise"
    assert asked == [("label_flip", 0.5), ("noise", 0.5)] and live.error is None
    assert "noise" in live.message.value


def test_a_live_figure_takes_a_text_of_ones_own():
    live = widgets.live_figure(lambda words: plots.new_figure(2, 1, f"it says {words}"), words="to be")
    assert live.image.tooltip == "it says to be"
    live.sliders["words"].value = "or not"
    assert live.values == {"words": "or not"} and "it says or not" in live.message.value
