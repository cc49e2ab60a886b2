"""The pictures of notebook 02: both sides of a threshold, detector curves, the S-curve, the live figure."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from aigc_lab import clean, plots, show, widgets
from aigc_lab.clean.issues import issue_table
from aigc_lab.collect.dataset import Dataset, own_card


@pytest.fixture(autouse=True)
def no_figure_piles_up():
    yield
    plt.close("all")


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    return Dataset(random.integers(0, 256, (30, 12, 12), dtype=np.uint8), None, (), own_card("tiny"))


@pytest.fixture
def findings():
    return issue_table("made up", [3, 7, 9, 12], [0.9, 0.8, 0.6, 0.4], [""] * 4)


def test_the_threshold_picture_counts_what_falls_on_each_side(pictures, findings):
    truth = np.isin(np.arange(30), [3, 9])
    figure = show.threshold_picture(pictures, findings, 0.7, truth)
    assert "2 of 30 items dropped, 1 of them truly faulty (precision 0.500, recall 0.500)" in figure.alt
    lower = show.threshold_picture(pictures, findings, 0.5, truth)
    assert "3 of 30 items dropped, 2 of them truly faulty (precision 0.667, recall 1.000)" in lower.alt
    assert "truly" not in plots.alt(show.threshold_picture(pictures, findings, 0.7))


def test_an_item_found_twice_counts_once_at_its_best_score(pictures, findings):
    twice = pd.concat([findings, issue_table("made up", [12], [0.95], [""])], ignore_index=True)
    assert "3 of 30 items dropped" in plots.alt(show.threshold_picture(pictures, twice, 0.7))


def test_nothing_dropped_and_everything_dropped_can_be_drawn(pictures, findings):
    truth = np.isin(np.arange(30), [3, 9])
    assert "0 of 30 items dropped" in plots.alt(show.threshold_picture(pictures, findings, 2.0, truth))
    assert "4 of 30 items dropped" in plots.alt(show.threshold_picture(pictures, findings, 0.0, truth))


def test_the_threshold_picture_refuses_what_does_not_fit(pictures, findings):
    with pytest.raises(ValueError, match="lower threshold"):
        show.threshold_picture(pictures, findings[:0], 0.5)
    with pytest.raises(ValueError, match="name item 12, but the set has 5 items"):
        show.threshold_picture(pictures[:5], findings, 0.5)
    words = Dataset(("a", "b"), None, (), own_card("words", "text"))
    with pytest.raises(ValueError, match="for pictures"):
        show.threshold_picture(words, findings, 0.5)


def test_precision_and_recall_along_the_threshold(findings):
    truth = np.isin(np.arange(30), [3, 9, 20])
    thresholds, precision, recall = show.precision_recall_points(findings, truth)
    assert thresholds.tolist() == [0.9, 0.8, 0.6, 0.4]
    assert precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    for threshold, at, found in zip(thresholds, precision, recall, strict=True):
        scored = clean.score(findings[findings["score"] >= threshold], truth)
        assert (scored["precision"], scored["recall"]) == pytest.approx((at, found))


def test_equal_scores_fall_together():
    same = issue_table("made up", [0, 1, 2], [0.5, 0.5, 0.1], [""] * 3)
    thresholds, precision, recall = show.precision_recall_points(same, np.array([True, False, True]))
    assert thresholds.tolist() == [0.5, 0.1]
    assert precision.tolist() == pytest.approx([1 / 2, 2 / 3])
    assert recall.tolist() == pytest.approx([1 / 2, 1])


def test_curves_need_something_true(findings):
    with pytest.raises(ValueError, match="nothing is true"):
        show.precision_recall_points(findings, np.zeros(30, bool))
    with pytest.raises(ValueError, match="truth_mask has 5 items"):
        show.precision_recall_points(findings, np.ones(5, bool))
    with pytest.raises(ValueError, match="no curves"):
        show.detector_curves({})


def test_detector_curves_draw_false_positives_in_a_thousand(findings):
    truth = np.isin(np.arange(30), [3, 9])
    figure = show.detector_curves({"made up": (findings, truth)}, {"made up": (35.7, 0.5)})
    line = figure.axes[0].lines[0]
    # Of the four findings the second and the fourth are false, among 28 sound items.
    assert line.get_xdata()[1:].tolist() == pytest.approx([1000 / 28, 1000 / 28, 2000 / 28])
    assert line.get_ydata().tolist() == pytest.approx([0.5, 0.5, 1, 1])


def test_the_s_curve_picture_tells_the_chance_at_the_threshold():
    figure = show.s_curve_picture(16, 8, 0.8, similarities=[0.1, 0.5, 0.9])
    assert f"probability {1 - (1 - 0.8**8) ** 16:.3f}" in figure.alt
    with pytest.raises(ValueError, match="from 0 to 1"):
        show.s_curve_picture(16, 8, 1.5)


def _drawn(bands=4, level=0.5):
    figure = plots.grid(np.full((1, 8, 8), round(255 * level), np.uint8), alt=f"{bands} bands at {level}")
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
