"""Intervals against textbook numbers."""

from __future__ import annotations

import numpy as np
import pytest

from aigc_lab import evaluate
from aigc_lab.evaluate import Score, mean_interval, seed_interval, share


def test_seed_interval_is_the_textbook_one():
    """Three values 1, 2, 3: mean 2, deviation 1, t = 4.3027 at two degrees of freedom."""
    score = seed_interval([1.0, 2.0, 3.0], name="ELBO", unit="nats")
    assert score.value == 2
    assert score.high - 2 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert score.low + score.high == pytest.approx(4)
    assert (score.name, score.unit) == ("ELBO", "nats")


def test_seed_interval_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="at least two seeds, got 1"):
        seed_interval([1.0])
    with pytest.raises(ValueError, match="NaN or infinite"):
        seed_interval([1.0, float("nan")])


def test_wilson_interval_is_the_textbook_one():
    """8 of 10: [0.490, 0.943] (Newcombe 1998, method 3)."""
    score = share(8, 10)
    assert (score.low, score.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert share(0, 10).low == 0 and share(10, 10).high == 1
    with pytest.raises(ValueError, match="at least one item"):
        share(0, 0)


def test_a_score_is_frozen_and_reads_well():
    score = Score(0.0123456, 0.01, 0.02, "KID", "squared MMD")
    assert str(score) == "KID 0.01235 [0.01, 0.02] squared MMD"
    with pytest.raises(AttributeError):
        score.value = 1


def test_the_paired_interval():
    score = evaluate.paired_interval([1.0, 2.0, 3.0, 2.0], unit="dB")
    assert score.value == 2.0 and 1 < score.low < 2 < score.high < 3
    assert evaluate.paired_interval([1.5, 1.5]).low == pytest.approx(1.5)


def test_the_mean_of_many_items_has_the_normal_interval():
    score = mean_interval(np.arange(100))
    assert (score.low + score.high) / 2 == pytest.approx(49.5)
    assert score.high - score.low == pytest.approx(2 * 1.96 * np.std(np.arange(100), ddof=1) / 10, rel=1e-3)
    with pytest.raises(ValueError, match="at least two items, got 1"):
        mean_interval([1.0])


@pytest.mark.parametrize("values", [[1.0], [1.0, np.nan], [[1.0, 2.0]]])
def test_bad_differences_are_refused(values):
    with pytest.raises(ValueError, match="paired_interval"):
        evaluate.paired_interval(values)
