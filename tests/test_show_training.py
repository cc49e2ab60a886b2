"""The figures of the training lab say in words what they draw, and draw what they say."""

import numpy as np
import pytest

from aigc_lab import plots, show
from aigc_lab.train.limits import Roofline
from aigc_lab.train.profiling import Profile

EAGER = Profile(3, 60.0, 5.0, 25.0, 30.0, {"convolutions": 9.0, "optimizer": 1.0}, [])
COMPILED = Profile(3, 10.0, 1.0, 8.0, 1.0, {"convolutions": 7.0, "copies": 1.5}, [])


def widths(axes):
    return [bar.get_width() for bar in axes.patches]


def test_a_step_in_parts():
    figure = show.step_parts({"eager": EAGER, "compiled": COMPILED})
    left, right = figure.axes
    assert widths(left) == [5, 30, 25, 1, 1, 8]
    assert widths(right) == [7, 1.5]
    assert "eager: waiting for data 5.0 ms, Python 30.0 ms, inside TensorFlow 25.0 ms" in plots.alt(figure)
    with pytest.raises(ValueError, match="no profile 'x'; there is eager"):
        show.step_parts({"eager": EAGER}, of="x")
    with pytest.raises(ValueError, match="give at least one"):
        show.step_parts({})


def test_points_below_a_roof():
    roof = Roofline(flops=100e9, bandwidth=20e9, call=1e-5)
    figure = show.roofline_picture(roof, {"dense": (2.0, 30e9), "wide": (50.0, 80e9)})
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["dense: 75% of the roof", "wide: 80% of the roof"]
    assert "flat from there" in plots.alt(figure) and "5.0 operations a byte" in plots.alt(figure)


def test_rungs_carry_their_ratio():
    figure = show.ladder_picture({"small": {"plain": [8.0, 8.0], "better": [2.0, 2.0]}})
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[0].strip() == "8 ms" and texts[1].strip() == "2 ms  4.00 x"
    assert "small from 8.0 to 2.0 ms" in plots.alt(figure)


def test_a_large_model_costs_what_the_formula_says():
    figure = show.large_cost_picture(log10_weights=9, tokens_per_parameter=20, gpus=1, use=1.0)
    days = 6 * 1e9 * 20e9 / 989e12 / 86400
    assert figure.axes[0].lines[1].get_ydata()[0] == pytest.approx(days)
    across, up = figure.axes[0].lines[0].get_data()
    assert np.polyfit(np.log(across), np.log(up), 1)[0] == pytest.approx(2)
    assert "slope 2" in plots.alt(figure)
