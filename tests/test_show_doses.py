"""The pictures of notebook 15: curves against the dose, pictures behind a dose, a list in a widget."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from aigc_lab import plots, show, widgets


@pytest.fixture(autouse=True)
def no_figure_piles_up():
    yield
    plt.close("all")


@pytest.fixture
def curves():
    rows = [
        {"model": model, "defect": defect, "dose": dose, "value": dose, "low": dose - 0.1, "high": dose + 0.1}
        for model in ("vae", "gan")
        for defect in ("label_flip", "noise")
        for dose in (0.1, 0.8)
    ]
    return pd.DataFrame(rows)


CLEAN = {"vae": (0.0, -0.1, 0.1), "gan": (0.05, -0.1, 0.2)}


def test_each_defect_has_a_panel_and_each_onset_a_ring(curves):
    onsets = pd.DataFrame({"model": ["vae"], "defect": ["noise"], "onset": [0.8]})
    figure = show.dose_response(curves, CLEAN, "KID", floor=0.0, onsets=onsets)
    assert [axes.get_title() for axes in figure.axes] == ["label flip", "noise"]
    rings = [sum(len(part.get_offsets()) == 1 for part in axes.collections if hasattr(part, "get_offsets"))
             for axes in figure.axes]  # fmt: skip
    assert rings[1] == rings[0] + 1
    assert "label flip, noise" in plots.alt(figure) and "vae, gan" in plots.alt(figure)
    drawn = figure.axes[0].lines[0].get_xydata()
    assert drawn.tolist() == [[0.0, 0.0], [0.1, 0.1], [0.8, 0.8]]


def test_curves_that_cannot_be_drawn_are_refused(curves):
    with pytest.raises(ValueError, match="the table has no rows"):
        show.dose_response(curves[:0], CLEAN, "KID")
    with pytest.raises(ValueError, match="no score of the model 'gan'"):
        show.dose_response(curves, {"vae": (0, 0, 0)}, "KID")


def test_training_pictures_and_samples_stand_side_by_side():
    pictures = np.random.default_rng(0).random((16, 8, 8))
    figure = show.dose_picture(pictures, pictures[..., None], ["cat"] * 16, {"KID": "0.02"}, "noise 0.4")
    assert len(figure.axes) == 32 and "noise 0.4" in plots.alt(figure) and "KID 0.02" in plots.alt(figure)
    without = show.dose_picture(pictures, None, ["cat"] * 16)
    assert len(without.axes) == 16
    assert "no samples are stored here" in [text.get_text() for text in without.texts]


def test_a_live_figure_takes_a_list_of_texts():
    asked = []

    def draw(defect, dose):
        asked.append((defect, dose))
        return plots.grid(np.zeros((1, 8, 8), "uint8"), alt=f"{defect} {dose}")

    live = widgets.live_figure(draw, defect=("label_flip", "noise"), dose=(0.0, 1.0, 0.1, 0.5))
    assert live.values == {"defect": "label_flip", "dose": 0.5}
    live.sliders["defect"].value = "noise"
    assert asked == [("label_flip", 0.5), ("noise", 0.5)] and live.error is None
    assert "noise" in live.message.value
