"""Evidence against a reference: exact where it can be, and its false alarms and delays over many streams."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import special, stats

from aigc_lab.serve.evidence import Evidence, allowance, log_evidence, worst_shares

TEN = np.full(10, 0.1)
UNEVEN = np.array([0.5, 0.3, 0.15, 0.05])


def run(evidence: Evidence, shares: np.ndarray, items: int, seed: int, block: int = 20) -> None:
    """Add so many items with these shares to every stream."""
    random = np.random.default_rng(seed)
    for _ in range(items // block):
        evidence.add(random.multinomial(block, shares, size=len(evidence.alarms)))


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (3, 9), (200, 100)])
def test_the_closed_form_is_the_integral_over_the_other_shares(counts):
    heads, tails = counts
    nodes, weights = special.roots_jacobi(400, -0.5, -0.5)  # of a Beta(1/2, 1/2), on [-1, 1]
    other = (nodes + 1) / 2
    likelihood = other**heads * (1 - other) ** tails
    integral = (weights / weights.sum()) @ likelihood / (0.7**heads * 0.3**tails)
    assert log_evidence(np.array(counts), np.array([0.7, 0.3])) == pytest.approx(math.log(integral), abs=1e-9)


def test_the_closed_form_for_many_classes_and_large_counts():
    counts = np.random.default_rng(0).multinomial(10**7, UNEVEN, size=3)
    exact = special.multigammaln(1, 1) + special.gammaln(2) - special.gammaln(counts.sum(axis=1) + 2)
    exact = exact + (special.gammaln(counts + 0.5) - special.gammaln(0.5)).sum(axis=1)
    exact = exact - counts @ np.log(UNEVEN)
    assert log_evidence(counts, UNEVEN) == pytest.approx(exact, abs=1e-6)


def test_evidence_is_one_on_average_while_the_reference_holds():
    shares = np.array([0.6, 0.3, 0.1])
    mean, with_starts = 0.0, 0.0
    for stream in itertools.product(range(3), repeat=6):
        chance = np.prod(shares[list(stream)])
        mean += chance * math.exp(log_evidence(np.bincount(stream, minlength=3), shares))
        evidence = Evidence(shares, 0.05)
        for item in stream:
            evidence.add(np.eye(3, dtype=int)[item])
        with_starts += chance * math.exp(evidence.log_values()[0])
    assert mean == pytest.approx(1, abs=1e-9)
    assert 0.7 < with_starts <= 1 + 1e-9  # below 1 by the starts that were dropped


def test_false_alarms_of_streams_are_no_more_than_stated():
    evidence = Evidence(UNEVEN, 0.05, streams=1000)
    run(evidence, UNEVEN, 10_000, seed=1)
    assert stats.binom.sf((evidence.alarms > 0).sum() - 1, 1000, 0.05) > 0.01


@pytest.mark.parametrize("size", [100, 1000])
def test_an_estimated_reference_costs_no_false_alarms(size):
    """Each of 300 references has a stream that is a hundred, or ten, times as long."""
    random = np.random.default_rng(size)
    naive = honest = 0
    for _ in range(300):
        shares = random.multinomial(size, TEN) / size
        counts = random.multinomial(10_000, TEN)
        naive += log_evidence(counts, np.maximum(shares, 1e-3)) >= -math.log(0.05)
        evidence = Evidence(shares, 0.05, size)
        evidence.add(counts)
        honest += evidence.alarms[0] > 0
    assert naive > 100, "taken as exact, the reference alarms by itself"
    assert honest <= 15


def test_the_allowance_holds_for_every_small_sample():
    for shares in (np.array([0.5, 0.3, 0.2]), np.array([0.9, 0.09, 0.01])):
        for size, error in itertools.product((5, 30), (0.1, 0.01)):
            allowed, beyond = allowance(3, error), 0.0
            for first in range(size + 1):
                for second in range(size + 1 - first):
                    counts = np.array([first, second, size - first - second])
                    distance = special.rel_entr(counts, shares * size).sum()
                    beyond += stats.multinomial.pmf(counts, size, shares) * (distance >= allowed)
            assert beyond <= error


def test_the_worst_reference_explains_a_stream_best_of_all_that_are_allowed():
    random = np.random.default_rng(0)
    shares, counts, size, allowed = UNEVEN, np.array([10, 80, 60, 50]), 400, allowance(4, 0.01)
    worst = worst_shares(counts, shares, size, allowed)
    assert size * special.rel_entr(shares, worst).sum() == pytest.approx(allowed, rel=1e-6)
    others = random.dirichlet(shares * 100, size=20_000)
    within = others[size * special.rel_entr(shares, others).sum(axis=1) <= allowed]
    assert len(within) > 1000
    assert (counts @ np.log(within).T).max() <= counts @ np.log(worst)
    # A stream within the reference's error is explained in full, also where the reference has an empty class.
    near = np.array([50, 30, 15, 5])
    assert worst_shares(near, shares, size, allowed) == pytest.approx(near / 100, abs=1e-6)
    empty = worst_shares(np.array([90, 10, 0]), np.array([1.0, 0.0, 0.0]), 1000, allowance(3, 0.01))
    assert 0 < empty[1] < 0.05


@pytest.mark.parametrize(("size", "most"), [(None, 260), (20_000, 320), (2_000, 480)])
def test_a_class_that_disappears_is_noticed(size, most):
    lost = np.append(TEN[:9], 0) / 0.9
    evidence = Evidence(TEN, 0.01 / 3, size, streams=100)
    run(evidence, lost, most, seed=2)
    assert (evidence.alarms > 0).mean() >= 0.95


def test_a_long_quiet_stretch_costs_little():
    lost = np.append(TEN[:9], 0) / 0.9
    evidence = Evidence(TEN, 0.01 / 3, streams=100)
    run(evidence, TEN, 10_000, seed=3)
    assert not evidence.alarms.any()
    run(evidence, lost, 600, seed=4)
    assert (evidence.alarms > 10_000).mean() >= 0.95
    began, shares = evidence.change()
    assert 9_500 < began < 10_500
    assert shares[9] < 0.05
    # One ratio from the beginning on would still hold the reference for true.
    assert log_evidence(evidence.totals(), TEN) < 0


def test_memory_grows_with_the_logarithm_only():
    evidence, kept = Evidence(UNEVEN, 0.01), []
    for block in range(1, 2**12 + 1):
        evidence.add(np.array([10, 6, 3, 1]))
        if block & (block - 1) == 0:
            kept.append(evidence.starts)
    assert kept[-1] <= 3 * 12
    assert np.diff(kept[5:]).max() <= 3


@pytest.mark.parametrize(
    ("shares", "rate", "size", "words"),
    [
        ([1.0], 0.05, None, "two or more classes"),
        ([], 0.05, None, "two or more classes"),
        ([0.5, np.nan], 0.05, None, "two or more classes"),
        ([1.0, 0.0], 0.05, None, "above 0 where they are known"),
        ([1.2, -0.2], 0.05, 100, "two or more classes"),
        ([0.5, 0.4], 0.05, None, "add up to 1"),
        ([0.5, 0.5], 0.0, None, "between 0 and 1"),
        ([[0.5, 0.5]], 0.05, None, "two or more classes"),
        ([0.5, 0.5], 0.05, 0, "at least 1 item"),
        ([0.5, 0.5], 0.05, np.nan, "at least 1 item"),
    ],
)
def test_a_reference_that_is_none_is_refused(shares, rate, size, words):
    with pytest.raises(ValueError, match=words):
        Evidence(shares, rate, size)
