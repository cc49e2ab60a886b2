"""Precision and recall against scikit-learn's neighbours; intervals against textbook numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from aigc_lab.evaluate import Score, floor, manifold_values, pair_distances, precision_recall, seed_interval
from aigc_lab.evaluate.intervals import share


def cloud(seed: int, count: int, size: int = 5, shift: float = 0.0, width: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, width, size=(count, size))


def independent(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """The four values from scikit-learn's nearest neighbours and plain loops."""

    def radius(table: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k + 1).fit(table).kneighbors(table)[0][:, k]

    real_radius, fake_radius = radius(real), radius(fake)
    in_real = np.array(
        [[np.linalg.norm(r - f) <= d for f in fake] for r, d in zip(real, real_radius, strict=True)]
    )
    in_fake = np.array(
        [[np.linalg.norm(r - f) <= d for r in real] for f, d in zip(fake, fake_radius, strict=True)]
    )
    return in_real.any(0).mean(), in_fake.any(0).mean(), in_real.sum(0).mean() / k, in_real.any(1).mean()


@pytest.mark.parametrize("neighbours", [1, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_values_agree_with_an_independent_implementation(neighbours, shift):
    real, fake = cloud(0, 60), cloud(1, 80, shift=shift)
    assert manifold_values(pair_distances(real, fake), neighbours) == pytest.approx(
        independent(real, fake, neighbours)
    )


def test_identical_sets_have_everything_and_far_sets_nothing():
    real = cloud(0, 50) + 1000  # far from zero: rounding must not push a copy out of its ball
    same = manifold_values(pair_distances(real, real.copy()))
    assert (same[0], same[1], same[3]) == (1, 1, 1)
    assert manifold_values(pair_distances(real, real + 100)) == (0, 0, 0, 0)


def test_repeated_items_lie_in_their_own_balls_of_radius_zero():
    repeated = np.repeat(cloud(0, 5, size=96) * 30, 10, axis=0)
    precision, recall, _, covered = manifold_values(pair_distances(repeated, repeated))
    assert (precision, recall, covered) == (1, 1, 1)


def test_precision_and_recall_tell_too_narrow_from_too_wide():
    real = cloud(0, 300)
    narrow, wide = (precision_recall(real, cloud(1, 300, width=width), resamples=0) for width in (0.4, 2.5))
    assert narrow.precision.value > 0.95 and narrow.recall.value < 0.6
    assert wide.precision.value < 0.6 and wide.recall.value > 0.9


def test_density_of_the_same_distribution_is_one_on_average():
    values = [manifold_values(pair_distances(cloud(s, 100), cloud(100 + s, 100)))[2] for s in range(40)]
    assert np.mean(values) == pytest.approx(1, abs=0.05)


def test_the_interval_has_about_the_right_width():
    """Over 50 repetitions: the stated spread against the true one, and how often the mean is held."""
    results = [precision_recall(cloud(s, 120), cloud(500 + s, 120, shift=0.4), seed=s) for s in range(50)]
    for name in ("precision", "recall", "density", "coverage"):
        scores = [getattr(result, name) for result in results]
        expected = np.mean([score.value for score in scores])
        assert np.mean([score.low <= expected <= score.high for score in scores]) >= 0.86, name
        stated = np.mean([score.high - score.low for score in scores]) / 3.92
        assert 0.7 < stated / np.std([score.value for score in scores]) < 1.8, name


def test_shares_and_their_intervals_stay_within_zero_and_one():
    real = cloud(0, 40)
    for fake in (real, real + 100, cloud(1, 40)):
        result = precision_recall(real, fake, neighbours=3)
        for score in (result.precision, result.recall, result.coverage):
            assert 0 <= score.low <= score.value <= score.high <= 1
    assert result == precision_recall(real, cloud(1, 40), neighbours=3)
    assert str(result).splitlines()[0].startswith("precision ")


def test_floor_of_precision_is_below_one():
    reference = floor(cloud(0, 200), metric="precision", splits=10)
    assert 0.6 < reference.low <= reference.value <= reference.high < 1
    assert reference.better == "higher"


def test_too_few_items_for_the_neighbours():
    with pytest.raises(ValueError, match="neighbours must lie between 1 and 3"):
        precision_recall(cloud(0, 4), cloud(1, 9))
    with pytest.raises(ValueError, match="needs at least 12 items a side, got 10 real and 50 fake"):
        precision_recall(cloud(0, 10), cloud(1, 50))
    with pytest.raises(ValueError, match="neighbours must lie between"):
        precision_recall(cloud(0, 10), cloud(1, 10), neighbours=0)
    with pytest.raises(ValueError, match="NaN"):
        precision_recall(cloud(0, 20), cloud(1, 20) * np.nan)
    with pytest.raises(ValueError, match="5 dimensions and fake ones 4"):
        precision_recall(cloud(0, 20), cloud(1, 20, size=4))


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
    assert score.overlaps(Score(1, 0.015, 2)) and not score.overlaps(Score(1, 0.03, 2))
    with pytest.raises(AttributeError):
        score.value = 1
