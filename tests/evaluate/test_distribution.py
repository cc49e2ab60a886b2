"""KID, FID, precision and recall against closed forms, slow loops and other libraries."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from aigc_lab.evaluate import (
    Gaussian,
    detector_auc,
    distribution,
    fid,
    floor,
    frechet,
    gaussian,
    kid,
    manifold_values,
    pair_distances,
    precision_recall,
)


def skewed(seed: int, count: int, size: int = 6, shift: float = 0.0) -> np.ndarray:
    """Features that are not Gaussian and not centred, as real ones are."""
    return np.abs(np.random.default_rng(seed).normal(size=(count, size))) + shift


def random_gaussian(seed: int, size: int) -> Gaussian:
    generator = np.random.default_rng(seed)
    factor = generator.normal(size=(size, size))
    return Gaussian(generator.normal(size=size), factor @ factor.T, 100)


# --- FID -------------------------------------------------------------------------------------


def test_equal_covariances_leave_the_distance_of_the_means():
    first = random_gaussian(0, 12)
    second = Gaussian(first.mean + np.arange(12.0), first.covariance, 100)
    assert frechet(first, second) == pytest.approx((np.arange(12.0) ** 2).sum(), rel=1e-9)


def test_moved_features_have_the_fid_of_the_move():
    real = skewed(0, 200)
    assert fid(real, real + 0.5, resamples=0).value == pytest.approx(6 * 0.25, rel=1e-6)


@pytest.mark.parametrize(("means", "deviations"), [((0, 0), (1, 3)), ((1, -2), (0.5, 0.5)), ((0, 4), (2, 7))])
def test_one_dimension_has_a_closed_form(means, deviations):
    first, second = (
        Gaussian(np.array([float(mean)]), np.array([[float(deviation) ** 2]]), 100)
        for mean, deviation in zip(means, deviations, strict=True)
    )
    expected = (means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2
    assert frechet(first, second) == pytest.approx(expected, rel=1e-9)


def test_commuting_covariances_have_a_closed_form():
    generator = np.random.default_rng(3)
    turn, _ = np.linalg.qr(generator.normal(size=(8, 8)))
    a, b = generator.uniform(0.1, 2, 8), generator.uniform(0.1, 2, 8)
    first, second = (Gaussian(np.zeros(8), turn @ np.diag(spectrum) @ turn.T, 100) for spectrum in (a, b))
    assert frechet(first, second) == pytest.approx(((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("size", [2, 16, 96])
def test_frechet_agrees_with_the_matrix_square_root(size):
    first, second = random_gaussian(1, size), random_gaussian(2, size)
    root = np.trace(sqrtm(first.covariance @ second.covariance)).real
    expected = (
        ((first.mean - second.mean) ** 2).sum() + np.trace(first.covariance + second.covariance) - 2 * root
    )
    assert frechet(first, second) == pytest.approx(expected, rel=1e-6)
    assert frechet(second, first) == pytest.approx(expected, rel=1e-6)


def test_gaussian_agrees_with_numpy_and_weights_count_copies():
    table = skewed(4, 50)
    assert np.allclose(gaussian(table).covariance, np.cov(table, rowvar=False))
    times = np.random.default_rng(0).integers(0, 4, 50)
    copied, weighted = gaussian(np.repeat(table, times, axis=0)), gaussian(table, times)
    assert copied.count == weighted.count
    assert np.allclose(copied.mean, weighted.mean)
    assert np.allclose(copied.covariance, weighted.covariance)


def test_fewer_items_than_dimensions_still_have_a_distance():
    generator = np.random.default_rng(5)
    real = generator.normal(size=(10, 50))
    with pytest.warns(UserWarning, match="10 items with 50 features.*singular.*or use KID"):
        assert fid(real, real + 1, resamples=0).value == pytest.approx(50, rel=1e-4)
    assert frechet(gaussian(real), gaussian(real)) == pytest.approx(0, abs=1e-3)
    # Two singular covariances whose ranges meet nowhere: no root, only the traces.
    left, right = np.zeros((30, 8)), np.zeros((30, 8))
    left[:, :4], right[:, 4:] = generator.normal(size=(30, 4)), generator.normal(size=(30, 4))
    statistics = gaussian(left), gaussian(right)
    expected = ((statistics[0].mean - statistics[1].mean) ** 2).sum() + sum(
        np.trace(s.covariance) for s in statistics
    )
    assert frechet(*statistics) == pytest.approx(expected, rel=1e-4)


def test_a_feature_that_never_varies_and_no_variance_at_all():
    real = skewed(6, 100)
    real[:, 2] = 0.5
    assert fid(real, real + 1, resamples=0).value == pytest.approx(6, rel=1e-5)
    assert fid(np.ones((5, 3)), np.zeros((5, 3)), resamples=0).value == pytest.approx(3)


def test_fid_interval_holds_the_expected_value_at_this_size():
    """Over 60 repetitions a 95 % interval misses rarely, although every resample is biased upwards."""
    scores = [fid(skewed(s, 100), skewed(1000 + s, 100, shift=0.3), resamples=50, seed=s) for s in range(60)]
    expected = np.mean([score.value for score in scores])
    assert np.mean([score.low <= expected <= score.high for score in scores]) >= 0.85


# --- KID -------------------------------------------------------------------------------------


def brute_force_kid(real: np.ndarray, fake: np.ndarray) -> float:
    """Two nested loops over pairs, the definition word for word."""

    def value(x: np.ndarray, y: np.ndarray) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    n, m = len(real), len(fake)
    real_pairs = sum(value(real[i], real[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    fake_pairs = sum(value(fake[i], fake[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return real_pairs + fake_pairs - 2 * sum(value(x, y) for x in real for y in fake) / (n * m)


def test_kid_agrees_with_loops():
    real, fake = skewed(0, 17), skewed(1, 23, shift=0.2)
    assert kid(real, fake, resamples=0).value == pytest.approx(brute_force_kid(real, fake), rel=1e-10)


@pytest.mark.parametrize("count", [30, 2500])  # the second is more than one block of rows
def test_kernel_sums_agree_with_scikit_learn(count):
    real, fake = skewed(2, count), skewed(3, 40, shift=0.1)
    once = np.ones((1, count)), np.ones((1, 40))
    own, cross = (polynomial_kernel(real, other, degree=3, coef0=1) for other in (real, fake))
    assert distribution.own_sums(real, once[0])[0] == pytest.approx(own.sum() - np.trace(own), rel=1e-10)
    assert distribution.kernel_sums(real, fake, *once)[0] == pytest.approx(cross.sum(), rel=1e-10)


def test_kid_of_the_same_distribution_is_zero_on_average_and_falls_below_zero():
    values = np.array([kid(skewed(s, 60), skewed(500 + s, 60), resamples=0).value for s in range(200)])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
    assert (values < 0).mean() > 0.3


def test_kid_has_the_same_mean_at_every_size():
    """Unbiased: small sets scatter more, but around the same number."""
    small, large = (
        np.array([kid(skewed(s, n), skewed(500 + s, n, shift=0.2), resamples=0).value for s in range(150)])
        for n in (10, 80)
    )
    error = np.hypot(small.std(), large.std()) / np.sqrt(150)
    assert abs(small.mean() - large.mean()) < 3 * error
    assert small.std() > 2 * large.std()


def test_kid_has_a_closed_form_for_points():
    """All real at x, all fake at y: every pair has the same kernel value."""
    real, fake = np.ones((4, 2)), np.zeros((5, 2))
    assert distribution.own_sums(real, np.ones((1, 4)))[0] == pytest.approx(12 * 8)
    assert kid(real, fake, resamples=0).value == pytest.approx(7)


def test_kid_interval_covers_the_truth():
    scores = [kid(skewed(s, 80), skewed(1000 + s, 80, shift=0.3), resamples=200, seed=s) for s in range(80)]
    truth = np.mean([score.value for score in scores])
    assert np.mean([score.low <= truth <= score.high for score in scores]) >= 0.88
    spread = np.mean([score.high - score.low for score in scores]) / 3.92
    assert 0.75 < spread / np.std([score.value for score in scores]) < 1.5


def test_kid_resamples_are_not_pulled_up_by_copies():
    """The naive bootstrap pairs copies: at 30 items in 6 dimensions its mean lies far above the value."""
    real, fake = skewed(0, 30), skewed(1, 30)
    score = kid(real, fake, resamples=400)
    generator = np.random.default_rng(0)
    naive = [
        kid(real[generator.integers(0, 30, 30)], fake[generator.integers(0, 30, 30)], resamples=0).value
        for _ in range(400)
    ]
    middle = (score.low + score.high) / 2
    assert np.mean(naive) - score.value > 3 * abs(middle - score.value)


def test_scores_repeat_with_the_seed_and_change_with_it():
    real, fake = skewed(0, 50), skewed(1, 50, shift=0.1)
    for metric in (kid, fid):
        assert metric(real, fake, resamples=30, seed=1) == metric(real, fake, resamples=30, seed=1)
        assert metric(real, fake, resamples=30, seed=1).low != metric(real, fake, resamples=30, seed=2).low


# --- precision and recall ----------------------------------------------------------------------


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


# --- floor -----------------------------------------------------------------------------------


def test_floor_values_are_those_of_kid_on_disjoint_halves():
    """The fast way (one kernel matrix, many choices) against one split at a time."""
    real = skewed(0, 41)
    generator, values = np.random.default_rng(7), []
    for _ in range(5):
        order = generator.permutation(41)
        values.append(kid(real[order[:20]], real[order[20:40]], resamples=0).value)
    assert floor(real, splits=5, seed=7).value == pytest.approx(np.mean(values), rel=1e-8)


def test_a_perfect_generator_falls_within_the_floor_and_a_poor_one_does_not():
    real = skewed(0, 600)
    for metric, score in (("kid", kid), ("fid", fid)):
        reference = floor(real, metric=metric, size=200)
        inside = [
            reference.low
            <= score(skewed(50 + s, 200), skewed(100 + s, 200), resamples=0).value
            <= reference.high
            for s in range(40)
        ]
        assert np.mean(inside) >= 0.8
        assert score(real[:200], skewed(9, 200, shift=0.5), resamples=0).value > reference.high


def test_floor_between_two_real_sets_sees_that_they_differ():
    assert floor(skewed(0, 200), skewed(1, 200), size=100).low < 0
    assert floor(skewed(0, 200), skewed(1, 200, shift=0.5), size=100).low > 0


def test_fid_floor_falls_with_size_and_kid_floor_narrows():
    real = skewed(0, 800)
    small, large = (floor(real, metric="fid", size=size, splits=30) for size in (50, 400))
    assert small.low > large.high
    narrow, wide = (floor(real, size=size, splits=30) for size in (400, 50))
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [kid, fid])
@pytest.mark.parametrize(
    ("real", "fake", "message"),
    [
        (np.ones((1, 3)), np.ones((5, 3)), "real features hold 1 items, but at least 2 are needed"),
        (np.ones((5, 3)), np.ones((0, 3)), "fake features hold 0 items"),
        (np.ones((5, 3)), np.full((5, 3), np.nan), "fake features hold NaN"),
        (np.full((5, 3), np.inf), np.ones((5, 3)), "real features hold NaN or infinite"),
        (np.ones((5, 3)), np.ones((5, 4)), "real features have 3 dimensions and fake ones 4"),
        (np.ones((5, 28, 28)), np.ones((5, 3)), "use evaluate.features first"),
    ],
)
def test_bad_features_are_refused_in_one_sentence(metric, real, fake, message):
    with pytest.raises(ValueError, match=message) as raised:
        metric(real, fake)
    assert "\n" not in str(raised.value)


def test_bad_choices_are_refused():
    real = skewed(0, 20)
    with pytest.raises(ValueError, match="metric must be one of kid, fid"):
        floor(real, metric="inception")
    with pytest.raises(ValueError, match="size must lie between 2 and 10"):
        floor(real, size=11)
    with pytest.raises(ValueError, match="between 2 and 10, half of these real images, got 15; give more"):
        floor(skewed(1, 100), real, size=15)
    with pytest.raises(ValueError, match="at least 2 splits"):
        floor(real, splits=1)
    with pytest.raises(ValueError, match="a covariance holds NaN"):
        frechet(random_gaussian(0, 2), Gaussian(np.zeros(2), np.full((2, 2), np.nan), 5))


def test_a_set_against_itself_is_pointed_out():
    real = skewed(0, 200)
    for metric, value in ((fid, 0.0), (kid, None)):
        with pytest.warns(UserWarning, match="the same 200 items: a set scored against itself says nothing"):
            score = metric(real, real.copy(), resamples=0)
        assert score.value == pytest.approx(0, abs=1e-6) if value == 0 else score.value < 0
    with pytest.raises(ValueError, match="have 2 and 3 dimensions"):
        frechet(random_gaussian(0, 2), random_gaussian(0, 3))


# --- a detector ----------------------------------------------------------------------------------


def test_a_detector_of_equal_sets_guesses():
    pairs = [np.random.default_rng(seed).standard_normal((2, 600, 5)) for seed in range(10)]
    areas = [detector_auc(*pair, resamples=0).value for pair in pairs]
    assert abs(np.mean(areas) - 0.5) < 0.03 and max(np.abs(np.array(areas) - 0.5)) < 0.09


def test_the_detector_reaches_the_best_possible_auc():
    # Two Gaussians a distance d apart: no rule has a larger area than Phi(d / sqrt 2).
    random, distance = np.random.default_rng(1), 1.2
    real, fake = random.standard_normal((2, 4000, 4))
    fake[:, 2] += distance
    score = detector_auc(real, fake)
    best = NormalDist().cdf(distance / 2**0.5)
    assert score.low - 0.01 < best < score.high + 0.01
    assert detector_auc(real, fake, resamples=0).value == score.value


def test_the_detector_sees_a_direction_of_little_weight():
    random = np.random.default_rng(2)
    real, fake = random.standard_normal((2, 500, 8)) * 10.0 ** np.arange(0, -8, -1)
    fake[:, 7] += 3e-7
    assert detector_auc(real, fake).low > 0.9
    assert abs(kid(real, fake).value) < 1e-2


def test_a_detector_needs_ten_items_a_side():
    with pytest.raises(ValueError, match="at least 10"):
        detector_auc(np.zeros((9, 3)), np.zeros((20, 3)))
