"""The pictures of notebook 13: what they say in words, and what they refuse."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from aigc_lab import show
from aigc_lab.train.range_test import RangeTest


@pytest.fixture(autouse=True)
def no_figure_piles_up():
    yield
    plt.close("all")


def test_a_range_test_shows_its_marks():
    rates = np.geomspace(1e-4, 1, 30)
    table = pd.DataFrame({"learning_rate": rates, "loss": 1.0 / rates, "smoothed": 1.0 / rates})
    figure = show.range_picture(RangeTest(table, 0.1, 0.001, float("nan")))
    assert "falling fastest at 0.001, lowest at 0.1." in figure.alt
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["loss of each batch", "smoothed", "falls fastest: 0.001", "lowest: 0.1"]
    blown = show.range_picture(RangeTest(table, 0.1, 0.001, 0.5))
    assert "blown up at 0.5." in blown.alt


def test_the_best_so_far_is_a_mean_with_its_interval():
    values = np.array([[np.nan, 1.0, 3.0], [np.nan, 2.0, 5.0]])
    figure = show.best_so_far({"random": values}, [0, 10, 20], "nats", level=("default", 2.0), limits=(0, 6))
    assert "random 4.0 (-8.7 to 16.7); default 2.0." in figure.alt
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [10, 20], "only where every search has a finished trial"
    assert line.get_ydata().tolist() == [1.5, 4.0]
    assert figure.axes[0].get_ylim() == (0, 6)
    with pytest.raises(ValueError, match=r"must have shape \(searches, 2\), got \(2, 3\)"):
        show.best_so_far({"random": values}, [0, 10], "nats")


def test_a_selection_has_a_panel_for_each_question():
    panel = {"counts": [2, 4], "measured": [1.0, 2.0], "low": [0, 1], "high": [2, 3], "theory": [1.1, 2.1]}
    figure = show.selection_picture({"ELBO": {**panel, "unit": "nats"}, "KID": {**panel, "unit": "KID"}})
    assert [axes.get_title() for axes in figure.axes] == ["ELBO", "KID"]
    assert "ELBO: 2 of 4 runs, theory 2.1; KID: 2 of 4 runs" in figure.alt


def test_the_pick_is_the_best_of_the_last_checkpoints():
    table = pd.DataFrame({"step": [10, 20, 30], "seen": [0.1, 0.3, 0.2], "fresh": [0.15, 0.2, 0.4]})
    figure = show.checkpoint_picture(table, 2, "seen", "fresh", "KID")
    assert "The best of the last 2 checkpoints is that of step 30: 0.2000 seen, 0.4000 fresh" in figure.alt
    assert "that of step 10" in show.checkpoint_picture(table, 3, "seen", "fresh", "KID").alt
    with pytest.raises(ValueError, match="looked_at must be from 1 to 3, got 4"):
        show.checkpoint_picture(table, 4, "seen", "fresh", "KID")
