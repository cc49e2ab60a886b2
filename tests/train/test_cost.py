"""What training costs: exponents against closed forms and scipy, energy against arithmetic."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress, t

from aigc_lab.train import cost


def test_an_exact_power_law_is_found_exactly():
    sizes = np.array([1000, 3000, 10_000, 100_000])
    growth = cost.fitted_exponent(sizes, 0.002 * sizes**1.5)
    assert growth.exponent == pytest.approx(1.5, abs=1e-12)
    assert growth.factor == pytest.approx(0.002, rel=1e-9)
    assert growth.high - growth.low < 1e-9
    assert growth.local == pytest.approx((1.5, 1.5, 1.5))
    assert growth.predict(1e6) == pytest.approx(0.002 * 1e9, rel=1e-8)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_slope_and_interval_agree_with_scipy(level):
    random = np.random.default_rng(0)
    sizes = np.repeat([1.0, 2.0, 4.0, 8.0], 3)
    seconds = 3 * sizes**0.8 * np.exp(random.normal(0, 0.1, len(sizes)))
    growth = cost.fitted_exponent(sizes, seconds, level)
    other = linregress(np.log(sizes), np.log(seconds))
    half = t.ppf((1 + level) / 2, len(sizes) - 2) * other.stderr
    assert growth.exponent == pytest.approx(other.slope, rel=1e-12)
    assert (growth.low, growth.high) == pytest.approx((other.slope - half, other.slope + half), rel=1e-9)
    assert growth.factor == pytest.approx(np.exp(other.intercept), rel=1e-9)
    assert len(growth.local) == 3


def test_the_interval_holds_the_truth_as_often_as_it_says():
    random, sizes, inside = np.random.default_rng(1), np.array([1.0, 2, 4, 8, 16]), 0
    for _ in range(1000):
        growth = cost.fitted_exponent(sizes, sizes**1.2 * np.exp(random.normal(0, 0.2, 5)), 0.9)
        inside += growth.low <= 1.2 <= growth.high
    assert 870 <= inside <= 930  # 900, and three standard errors of 9.5


def test_a_fixed_cost_shows_in_the_local_exponents():
    sizes = np.array([1e2, 1e3, 1e4, 1e5, 1e6])
    growth = cost.fitted_exponent(sizes, 1 + 1e-4 * sizes)
    assert np.all(np.diff(growth.local) > 0)
    assert growth.local[0] < 0.1 and growth.local[-1] > 0.9
    assert growth.local[-1] > growth.high or growth.high - growth.low > 0.3


@pytest.mark.parametrize(
    ("sizes", "seconds", "word"),
    [
        ([1, 2, 3], [1, 2], "one time for each size"),
        ([[1, 2, 3]], [[1, 2, 3]], "one time for each size"),
        ([1, 2], [1, 2], "three runs"),
        ([5, 5, 5], [1, 2, 3], "two sizes"),
        ([1, 2, 0], [1, 2, 3], "positive"),
        ([1, 2, 3], [1, np.nan, 3], "positive"),
    ],
)
def test_bad_sizes_are_refused_in_one_sentence(sizes, seconds, word):
    with pytest.raises(ValueError, match=word):
        cost.fitted_exponent(sizes, seconds)


def test_a_level_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="level"):
        cost.fitted_exponent([1, 2, 3], [1, 2, 3], level=95)


def test_energy_is_hours_times_watts():
    one_hour = cost.energy(3600, watts=(50, 100))
    assert (one_hour.low, one_hour.high) == pytest.approx((0.05, 0.1))
    # Lannelongue et al. 2021, with n_c = 12, P_c = 12 W, 64 GiB, PUE = 1.67, 12 hours, by hand.
    run = cost.energy(12 * 3600, count=12, watts=(12, 12), memory_gib=64, overhead=1.67)
    assert run.low == run.high == pytest.approx(12 * (144 + 23.84) * 1.67 / 1000)
    assert all(word in run.assumptions for word in ("12 cores", "64 GiB", "1.67"))
    gpu = cost.energy(3600, "gpu")
    assert (gpu.low, gpu.high) == (0.07, 0.7) and "1 GPU " in gpu.assumptions
    assert cost.energy(0).high == 0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"device": "abacus"}, "cpu, gpu"),
        ({"watts": (100, 50)}, "lowest, highest"),
        ({"watts": (float("nan"), 50)}, "lowest, highest"),
        ({"seconds": -1}, "not be negative"),
        ({"seconds": float("nan")}, "not be negative"),
        ({"count": 0}, "at least 1"),
        ({"overhead": 0.5}, "at least 1"),
    ],
)
def test_a_run_that_cannot_be_is_refused(options, word):
    with pytest.raises(ValueError, match=word):
        cost.energy(**{"seconds": 1, **options})


def test_the_cost_of_an_epoch_leaves_the_compilation_out():
    # 7 s of compilation, then 2 s an epoch.
    table = pd.DataFrame({"epoch": [0.5, 1.0, 2.5], "seconds": [8.0, 9.0, 12.0]})
    spent = cost.cost_per_epoch(SimpleNamespace(table=table), watts=(1800, 3600))
    assert (spent.seconds, spent.starting) == pytest.approx((2.0, 7.0))
    assert (spent.energy.low, spent.energy.high) == pytest.approx((0.001, 0.002))
    with pytest.raises(ValueError, match="two reports"):
        cost.cost_per_epoch(SimpleNamespace(table=table[:1]))
