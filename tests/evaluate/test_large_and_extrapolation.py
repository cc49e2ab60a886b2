"""Streaming statistics, KID in blocks and FID at infinite n, against the plain formulas."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigc_lab.evaluate import (
    RunningGaussian,
    fid,
    fid_infinity,
    frechet,
    gaussian,
    kid,
    kid_in_blocks,
    kid_of_all_pairs,
)
from aigc_lab.evaluate.large import block_discrepancy


def skewed(seed: int, count: int, size: int = 6, shift: float = 0.0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=(count, size))) + shift


# --- mean and covariance in one pass -----------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=6), split=st.integers(0, 6))
def test_any_cutting_and_joining_gives_the_same_gaussian(cuts, split):
    table = skewed(0, 60, 4)
    parts = np.split(table, sorted(cuts))
    first, second = RunningGaussian(), RunningGaussian()
    for number, part in enumerate(parts):
        (first if number < split else second).add(part)
    joined = first.merge(second).gaussian()
    assert joined.count == 60
    assert np.allclose(joined.mean, table.mean(axis=0), rtol=1e-12)
    assert np.allclose(joined.covariance, np.cov(table, rowvar=False), rtol=1e-10)


def test_a_large_mean_takes_no_digits_away():
    """Sums of squares would lose all 16 digits here: the mean is 10^9 times the deviation."""
    table = np.random.default_rng(0).normal(1e9, 1.0, (4000, 3))
    running = RunningGaussian()
    for part in np.split(table, 40):
        running.add(part)
    exact = np.cov(table - 1e9, rowvar=False)
    assert np.allclose(running.gaussian().covariance, exact, atol=1e-6)
    naive = (table.T @ table - len(table) * np.outer(table.mean(0), table.mean(0))) / (len(table) - 1)
    assert np.abs(naive - exact).max() > 1


def test_merging_leaves_the_other_one_alone():
    table = skewed(1, 30)
    other = RunningGaussian().add(table[:10])
    empty = RunningGaussian().merge(other).add(table[10:])
    assert np.allclose(other.gaussian().covariance, np.cov(table[:10], rowvar=False))
    assert np.allclose(empty.gaussian().covariance, np.cov(table, rowvar=False))


def test_memory_does_not_grow_with_the_number_of_batches():
    def most(batches: int) -> int:
        running, generator = RunningGaussian(), np.random.default_rng(0)
        running.add(generator.normal(size=(500, 64)))
        tracemalloc.start()
        for _ in range(batches):
            running.add(generator.normal(size=(500, 64)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert running.gaussian().count == 500 * (batches + 1)
        return peak

    assert most(200) < 1.2 * most(4)


def test_running_statistics_refuse_what_does_not_fit():
    running = RunningGaussian().add(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="at least 2 items, got 0"):
        running.gaussian()
    running.add(skewed(0, 5, 3))
    before = running.gaussian()
    for bad, message in (
        (np.full((2, 3), np.nan), "NaN or infinite"),
        (np.ones((2, 4)), "4 dimensions do not fit those of 3"),
        (np.ones(3), r"shape \(n, d\)"),
    ):
        with pytest.raises(ValueError, match=message):
            running.add(bad)
    assert np.array_equal(running.gaussian().covariance, before.covariance)


# --- KID in blocks -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "size"), [(40, 40, 6), (300, 200, 96)])
def test_single_precision_and_blocks_change_nothing_that_counts(n, m, size):
    real, fake = skewed(0, n, size), skewed(1, m, size, shift=0.1)
    expected = kid(real, fake, resamples=0).value
    assert block_discrepancy(*(each.astype("float32") for each in (real, fake))) == pytest.approx(
        expected, abs=2e-6
    )
    for block in (16, 64, 1024):  # with a last block that is not full
        assert kid_of_all_pairs(real, fake, block).value == pytest.approx(expected, abs=2e-6)


def test_block_kid_is_the_mean_of_the_blocks_and_unbiased():
    real, fake = skewed(0, 200), skewed(1, 200, shift=0.2)
    score = kid_in_blocks(real, fake, block=100, seed=3)
    assert score.low <= score.value <= score.high
    exact = np.mean([kid(skewed(s, 60), skewed(900 + s, 60), resamples=0).value for s in range(200)])
    blocks = [kid_in_blocks(skewed(s, 60), skewed(900 + s, 60), block=20).value for s in range(200)]
    assert abs(np.mean(blocks) - exact) < 3 * np.std(blocks) / np.sqrt(200)


def test_the_interval_of_blocks_covers_the_truth():
    truth = np.mean(
        [kid(skewed(s, 400), skewed(5000 + s, 400, shift=0.2), resamples=0).value for s in range(40)]
    )
    hits = []
    for s in range(150):
        score = kid_in_blocks(skewed(s, 300), skewed(7000 + s, 300, shift=0.2), block=30)
        hits.append(score.low <= truth <= score.high)
    assert 0.88 <= np.mean(hits) <= 1


def test_features_on_disk_are_read_block_by_block(tmp_path):
    real, fake = (skewed(s, 4000, 32).astype("float32") for s in (0, 1))
    files = []
    for name, table in (("real", real), ("fake", fake)):
        table.tofile(tmp_path / name)
        files.append(np.memmap(tmp_path / name, dtype="float32", mode="r", shape=table.shape))
    assert kid_in_blocks(*files, block=200) == kid_in_blocks(real, fake, block=200)
    tracemalloc.start()
    kid_in_blocks(*files, block=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < real.nbytes  # two blocks and a kernel matrix of 200 x 200


def test_blocks_refuse_what_does_not_fit():
    real = skewed(0, 50)
    for call, message in (
        (lambda: kid_in_blocks(real, real, block=30), "make 1 blocks of 30.*smaller block, or use kid"),
        (lambda: kid_in_blocks(real, real[:0], block=10), "0 fake items make 0 blocks"),
        (lambda: kid_in_blocks(real, real, block=1), "at least 2 items"),
        (lambda: kid_in_blocks(real, real, block=10, blocks=6), "6 were asked for"),
        (lambda: kid_in_blocks(real, real[:, :3], block=10), "6 dimensions and fake ones 3"),
        (lambda: kid_in_blocks(real, np.full((50, 6), np.nan), block=10), "fake features hold NaN"),
        (lambda: kid_in_blocks(real, real[0], block=10), r"shape \(n, d\)"),
        (lambda: kid_of_all_pairs(real, real[:1]), "at least 2 items"),
        (lambda: kid_of_all_pairs(real, np.full((50, 6), np.inf)), "NaN or infinite"),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            call()
        assert "\n" not in str(raised.value)


# --- FID at infinite n -------------------------------------------------------------------------


def test_the_bias_of_fid_is_taken_out():
    """Known Gaussians: the extrapolated value is near the truth where FID itself is far off."""
    size, count, shift = 8, 120, 0.2
    truth = size * shift**2
    values, raw, covered = [], [], []
    for s in range(25):
        generator = np.random.default_rng(s)
        real, fake = generator.normal(size=(2, count, size)) + np.array([0, shift]).reshape(2, 1, 1)
        found = fid_infinity(real, fake, seed=s)
        values.append(found.score.value)
        raw.append(fid(real, fake, resamples=0).value)
        covered.append(found.score.low <= truth <= found.score.high)
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - truth) < 3 * error + 0.01
    assert np.mean(raw) - truth > 0.1
    assert np.mean(covered) >= 0.85


def test_real_against_real_extrapolates_to_zero():
    values = [
        fid_infinity(skewed(s, 150), skewed(500 + s, 150), interval=False, seed=s).score.value
        for s in range(60)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60) + 0.005
    assert min(values) < 0  # an estimate of zero must be allowed to fall below it
    assert np.mean([fid(skewed(s, 150), skewed(500 + s, 150), resamples=0).value for s in range(20)]) > 0.03


def test_the_line_predicts_fid_at_sizes_it_has_not_seen():
    real, fake = skewed(0, 3000), skewed(1, 3000, shift=0.3)
    found = fid_infinity(real[:600], fake[:600], interval=False)
    large = frechet(gaussian(real), gaussian(fake))
    assert found.at(3000) == pytest.approx(large, rel=0.25)
    assert found.slope > 0
    assert list(found.sizes) == sorted(found.sizes) and found.sizes[-1] == pytest.approx(600)


def test_extrapolation_refuses_what_does_not_fit():
    real, fake = skewed(0, 100, 20), skewed(1, 100, 20)
    for call, message in (
        (lambda: fid_infinity(real[:50], fake), "at least 60 items a side, got 50; with fewer use KID"),
        (lambda: fid_infinity(real, fake, points=2), "at least 3 points"),
        (lambda: fid_infinity(real, fake[:, :5]), "20 dimensions and fake ones 5"),
        (lambda: fid_infinity(real, fake, level=95), "between 0 and 1"),
        (lambda: fid_infinity(real, fake[:0]), "fake features hold 0 items"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
